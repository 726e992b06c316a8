"""`Embedding(dropout=)` of Keras 1."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_bigdata")
class DropoutEmbedding(keras.layers.Embedding):
    """`Embedding(dropout=)` of Keras 1: drops whole words, the same ones in all rows of a batch.

    Args:
        input_dim, output_dim: as in Keras.
        dropout: the fraction of the vocabulary to drop in training, from 0 to 1. Defaults to `0.0`.
        **kwargs: the other arguments of `keras.layers.Embedding`.

    Example:

    ```python
    from keras_bigdata.legacy.layers import DropoutEmbedding

    layer = DropoutEmbedding(1000, 16, dropout=0.2)
    ```
    """

    def __init__(self, *args: Any, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.set_dropout(dropout)

    def set_dropout(self, rate: float) -> None:
        """Sets the fraction of the vocabulary to drop."""
        if not 0 <= rate < 1:
            raise ValueError(f"`dropout` must be at least 0 and less than 1. Received: {rate!r}")
        self.dropout = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Returns the embeddings, in training without the dropped words."""
        outputs = super().call(inputs)
        if not training or not self.dropout:
            return outputs
        kept = keras.ops.ones((self.input_dim, 1), outputs.dtype)
        kept = keras.random.dropout(kept, self.dropout, seed=self.seed_generator)
        return outputs * keras.ops.take(kept, keras.ops.cast(inputs, "int32"), axis=0)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "dropout": self.dropout}
