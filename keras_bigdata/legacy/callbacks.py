"""`ModelCheckpoint` and `TensorBoard` with the arguments and file names of Keras 1 and 2."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of
from keras_bigdata.legacy.metric_names import add_aliases, resolve_auto_mode
from keras_bigdata.legacy.models import model_files, weights_files
from keras_bigdata.legacy.patching import replace


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """Keras's `ModelCheckpoint`, for calls that were written for Keras 1 and 2.

    Files are written under exactly the name that is passed. Names that end in `.keras` and
    `.weights.h5` select the formats of Keras 3. Any other name selects HDF5, of the whole model or,
    with `save_weights_only=True`, of the weights as Keras 2 wrote them; `load_model` and
    `load_weights` read both from names that end in `.h5` or `.hdf5`. A file is replaced completely
    or not at all.
    Names and monitors may use `acc` or `accuracy`.

    Args:
        filepath: the file, with placeholders such as `{epoch:02d}` and `{val_acc:.2f}`.
        monitor, verbose, save_best_only, save_weights_only, mode: as in Keras. With `mode="auto"`,
            a monitor that Keras 3 does not know is maximized if it has "acc" in its name and
            minimized otherwise, as in Keras 2.
        period: the number of epochs between saves (or comparisons). The seventh positional
            argument, if it is a number. Defaults to `1`.
        save_freq: `"epoch"`, or a number of batches. Defaults to `"epoch"`.
        initial_value_threshold: the value of the monitor that the first save must improve on.
            Defaults to `None`.
        options, load_weights_on_restart: arguments of older releases of tf.keras, without effect.

    Raises:
        TypeError: if there are more positional arguments than any release had.
        ValueError: if `period` is less than 1.

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
                f"ModelCheckpoint takes at most 9 positional arguments. Received: {6 + len(others)}"
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
            # A name that passes the checks of Keras 3. The real one is set below.
            ".weights.h5" if save_weights_only else ".keras",
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
        """The model, with methods that save it under any file name."""
        model = super().model
        return None if model is None else _ModelWithAnyFileName(model)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves after `save_freq` batches."""
        super().on_train_batch_end(batch, _with_aliases(logs))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves if `period` epochs have passed since the last time."""
        self.epochs_since_last_save += 1
        if self.save_freq == "epoch" and self.epochs_since_last_save < self.period:
            return
        self.epochs_since_last_save = 0
        if self.monitor_op is None and self.mode == "auto":
            self.mode: str = resolve_auto_mode(self.model, self.monitor, warn=self.save_best_only)
        super().on_epoch_end(epoch, _with_aliases(logs))


class _ModelWithAnyFileName:
    """The model as `ModelCheckpoint` uses it: `save` and `save_weights` take any file name."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def save(self, filepath: Any, overwrite: bool = True) -> None:
        model_files.save_under_exact_name(filepath, self._model.save)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        weights_files.save_weights(self._model, filepath, self._model.save_weights)


def _with_aliases(logs: dict[str, Any] | None) -> dict[str, Any]:
    logs = dict(logs or {})
    add_aliases(logs)
    return logs


# The positional arguments after `log_dir` and `histogram_freq`: those of Keras 2, and those of
# tf.keras 2 and Keras 3. Keras 1 had the first two of the latter.
_KERAS_2 = (
    *("batch_size", "write_graph", "write_grads", "write_images", "embeddings_freq"),
    *("embeddings_layer_names", "embeddings_metadata", "embeddings_data", "update_freq"),
)
_KERAS_3 = (
    *("write_graph", "write_images", "write_steps_per_second", "update_freq"),
    *("profile_batch", "embeddings_freq", "embeddings_metadata"),
)
_REMOVED = {"batch_size", "write_grads", "embeddings_layer_names", "embeddings_data"}


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's `TensorBoard`, for calls that were written for Keras 1 and 2.

    Args:
        log_dir: the directory for the event files. Defaults to `"./logs"`.
        histogram_freq: the number of epochs between histograms of the weights; 0 for none. Defaults
            to `0`.
        *others: further positional arguments. They have the order of Keras 2 if the third argument
            is a number (`batch_size`), and that of Keras 1, tf.keras 2 and Keras 3 if it is a
            boolean (`write_graph`).
        **named: the other arguments of any release. `batch_size`, `write_grads`,
            `embeddings_layer_names` and `embeddings_data` have no effect: Keras 3 does not write
            the data that they describe. A number in `update_freq` counts batches.

    Raises:
        TypeError: if an argument is unknown or passed twice.

    Example:

    ```python
    from keras_bigdata.legacy import TensorBoard

    board = TensorBoard(log_dir="./logs", histogram_freq=0, batch_size=32, write_grads=True)
    ```
    """

    def __init__(
        self, log_dir: Any = "./logs", histogram_freq: int = 0, *others: Any, **named: Any
    ) -> None:
        is_keras_2 = bool(others) and not isinstance(others[0], bool)
        positions = _KERAS_2 if is_keras_2 else _KERAS_3
        if len(others) > len(positions):
            raise TypeError(
                f"TensorBoard takes at most {2 + len(positions)} positional arguments. "
                f"Received: {2 + len(others)}"
            )
        by_position = dict(zip(positions, others, strict=False))
        for name in named:
            if name in by_position:
                raise TypeError(f"TensorBoard got {name!r} twice: by position and as {name}=")
            if name not in _KERAS_2 and name not in _KERAS_3:
                raise TypeError(
                    f"TensorBoard has no argument {name!r}. It takes those of Keras 1 and Keras 2: "
                    f"{', '.join(sorted({*_KERAS_2, *_KERAS_3}))}."
                )
        arguments = {
            name: value for name, value in {**by_position, **named}.items() if name not in _REMOVED
        }
        if arguments.get("embeddings_freq") and not arguments.get("embeddings_metadata"):
            # Keras 3 cannot show embeddings without metadata.
            warnings.warn("`embeddings_freq` has no effect without metadata.", stacklevel=2)
            arguments["embeddings_freq"] = 0
        super().__init__(log_dir=log_dir, histogram_freq=histogram_freq, **arguments)


def install() -> None:
    """Replaces the callbacks of Keras by these, wherever they are imported from."""
    for new_class in (ModelCheckpoint, TensorBoard):
        old_class = new_class.__mro__[1]
        # In the module that defines it too, for copies that are imported later.
        replace(sys.modules[old_class.__module__], old_class.__name__, new_class)
        for module in copies_of("callbacks"):
            replace(module, old_class.__name__, new_class)
