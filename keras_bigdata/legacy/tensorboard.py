"""`TensorBoard` with the arguments of Keras 1 and 2."""

from __future__ import annotations

import warnings
from typing import Any

import keras

# Keras 2, tf.keras 2 and Keras 3, after `log_dir` and `histogram_freq`. Keras 1 has the first two
# of the second.
_KERAS_2 = (
    *("batch_size", "write_graph", "write_grads", "write_images", "embeddings_freq"),
    *("embeddings_layer_names", "embeddings_metadata", "embeddings_data", "update_freq"),
)
_KERAS_3 = (
    *("write_graph", "write_images", "write_steps_per_second", "update_freq"),
    *("profile_batch", "embeddings_freq", "embeddings_metadata"),
)
_GONE = {"batch_size", "write_grads", "embeddings_layer_names", "embeddings_data"}


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's `TensorBoard`, for calls that were written for Keras 1 and 2.

    Args:
        log_dir: the directory for the event files. Defaults to `"./logs"`.
        histogram_freq: epochs between histograms of the weights; 0 for none. Defaults to `0`.
        *others: in the order of Keras 2 if the third argument is a number (`batch_size`), in that
            of Keras 1, tf.keras 2 and Keras 3 if it is true or false (`write_graph`).
        **named: the other arguments of any release. `batch_size`, `write_grads`,
            `embeddings_layer_names` and `embeddings_data` have no effect: the quantities that they
            belong to are gone. A number in `update_freq` counts batches.

    Raises:
        TypeError: if an argument is unknown or given twice.

    Example:

    ```python
    from keras_bigdata.legacy import TensorBoard

    board = TensorBoard(log_dir="./logs", histogram_freq=0, batch_size=32, write_grads=True)
    ```
    """

    def __init__(
        self, log_dir: Any = "./logs", histogram_freq: int = 0, *others: Any, **named: Any
    ) -> None:
        keras_2 = bool(others) and not isinstance(others[0], bool)
        positions = _KERAS_2 if keras_2 else _KERAS_3
        if len(others) > len(positions):
            raise TypeError(
                f"TensorBoard takes at most {2 + len(positions)} arguments without a name. "
                f"Received: {2 + len(others)}"
            )
        by_position = dict(zip(positions, others, strict=False))
        for name in named:
            if name in by_position:
                raise TypeError(f"TensorBoard got {name!r} twice.")
            if name not in _KERAS_2 and name not in _KERAS_3:
                raise TypeError(f"TensorBoard has no argument {name!r}.")
        arguments = {
            name: value for name, value in {**by_position, **named}.items() if name not in _GONE
        }
        if arguments.get("embeddings_freq") and not arguments.get("embeddings_metadata"):
            # Keras 3 cannot show embeddings without.
            warnings.warn("`embeddings_freq` has no effect without metadata.", stacklevel=2)
            arguments["embeddings_freq"] = 0
        super().__init__(log_dir=log_dir, histogram_freq=histogram_freq, **arguments)
