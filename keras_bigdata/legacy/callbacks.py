"""`ModelCheckpoint` with the arguments and file names of Keras 1 and 2."""

from __future__ import annotations

import os
import warnings
from typing import Any

import keras

from keras_bigdata.legacy import weights_files
from keras_bigdata.legacy.metric_names import add_aliases, automatic_mode


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """Keras's `ModelCheckpoint`, for calls that were written for Keras 1 and 2.

    Files are written under exactly the name that was given. `.keras` and `.weights.h5` get the
    formats of Keras 3. Any other name gets HDF5, of the whole model or, with
    `save_weights_only=True`, of the weights as Keras 2 wrote them; `load_model` and `load_weights`
    read both from names that end in `.h5` or `.hdf5`. A file is replaced whole or not at all.
    Names and monitors may say `acc` or `accuracy`.

    Args:
        filepath: the file, with placeholders like `{epoch:02d}` and `{val_acc:.2f}`.
        monitor, verbose, save_best_only, save_weights_only, mode: as in Keras. With `mode="auto"`
            a monitor that Keras 3 does not know is to be large if it has "acc" in its name and
            small otherwise, as in Keras 2.
        period: save (or compare) every so many epochs. The seventh argument without a name, if it
            is a number. Defaults to `1`.
        save_freq: `"epoch"`, or a number of batches. Defaults to `"epoch"`.
        initial_value_threshold: the score to beat at first. Defaults to `None`.
        options, load_weights_on_restart: of older releases of tf.keras; without effect.

    Raises:
        TypeError: if there are more arguments than any release had.
        ValueError: if `period` is not a positive number.

    Example:

    ```python
    from keras_bigdata.legacy import ModelCheckpoint

    best = ModelCheckpoint(
        "weights.{epoch:02d}-{val_acc:.2f}.hdf5", monitor="val_acc", save_best_only=True, period=2
    )
    ```
    """

    def __init__(  # noqa: PLR0917 - the order of Keras 1 and 2
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        *others: Any,
        period: int | None = None,
        save_freq: Any = None,
        initial_value_threshold: float | None = None,
        options: Any = None,
        load_weights_on_restart: bool | None = None,
    ) -> None:
        if len(others) > 3:
            raise TypeError(
                "ModelCheckpoint takes at most 9 arguments without a name. Received: "
                f"{6 + len(others)}"
            )
        if others and not isinstance(others[0], str):
            period = others[0] if period is None else period
        elif others:
            save_freq = others[0] if save_freq is None else save_freq
        for value in others[1:]:
            if isinstance(value, (int, float)):
                initial_value_threshold = value
        if load_weights_on_restart:
            warnings.warn(
                "`load_weights_on_restart` has no effect: call `model.load_weights` before "
                "training.",
                stacklevel=2,
            )
        self.period = 1 if period is None else int(period)
        if self.period < 1:
            raise ValueError(f"`period` must be at least 1. Received: period={period!r}")
        super().__init__(
            ".weights.h5" if save_weights_only else ".keras",  # its check is of names that it knows
            monitor=monitor,
            verbose=verbose,
            save_best_only=save_best_only,
            save_weights_only=save_weights_only,
            mode=mode,
            save_freq="epoch" if save_freq is None else save_freq,
            initial_value_threshold=initial_value_threshold,
        )
        self.filepath = os.fspath(filepath)
        self.epochs_since_last_save = 0

    @property
    def model(self) -> Any:
        """The model, which saves itself under old names too."""
        model = super().model
        return None if model is None else _OldNames(model)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, _with_aliases(logs))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epochs_since_last_save += 1
        if self.save_freq == "epoch" and self.epochs_since_last_save < self.period:
            return
        self.epochs_since_last_save = 0
        if self.monitor_op is None and self.mode == "auto":
            self.mode: str = automatic_mode(self.model, self.monitor, warn=self.save_best_only)
        super().on_epoch_end(epoch, _with_aliases(logs))


class _OldNames:
    """A model for the eyes of `ModelCheckpoint`."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def save(self, filepath: Any, overwrite: bool = True) -> None:
        weights_files.save_model(filepath, self._model.save)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        weights_files.save_weights(self._model, filepath, self._model.save_weights)


def _with_aliases(logs: dict[str, Any] | None) -> dict[str, Any]:
    logs = dict(logs or {})
    add_aliases(logs)
    return logs


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
