"""`fit_generator` and the other generator methods of Keras 1 and Keras 2, on Keras 3.

generators       the three methods (arguments: their old arguments)
batch_stream     any source -> one stream of batches (batch_conversion, batch_arrays, class_weights)
batch_queue      the stream, read ahead (prefetch_iterator) and divided into epochs
keras_data       the queue as a dataset for `fit`
epoch_control    ends epochs where old Keras did, and validates between them (validation)
callbacks        the old arguments of two callbacks
metric_names     `acc` and `accuracy`
weights_files    weights under old file names
patches          `install()` (__main__: runs a script with it)

The public names are loaded when they are first used, and Keras with them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_bigdata.legacy.callbacks import ModelCheckpoint, TensorBoard
    from keras_bigdata.legacy.generators import (
        evaluate_generator,
        fit_generator,
        predict_generator,
    )
    from keras_bigdata.legacy.patches import install

__all__ = [
    "ModelCheckpoint",
    "TensorBoard",
    "evaluate_generator",
    "fit_generator",
    "install",
    "predict_generator",
]

_MODULES = {
    "ModelCheckpoint": "callbacks",
    "TensorBoard": "callbacks",
    "evaluate_generator": "generators",
    "fit_generator": "generators",
    "install": "patches",
    "predict_generator": "generators",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
