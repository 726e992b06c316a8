"""`fit_generator` and the other generator methods of Keras 1 and Keras 2, on Keras 3.

installation     `install()`, topic by topic (__main__: runs a script with it)
patching         changes Keras, once, and undoes the changes in tests
generators/      the generator methods: old arguments, sources, epochs, validation
models/          methods of models
layers/          arguments of Keras 1, layers that Keras 3 does not have, custom layers
backend/         `keras.backend`
modules/         modules that Keras 3 does not have
stand_ins        stand-ins for removed names, which raise an explanation when they are used
custom_metrics   metrics that are functions of the script
function_code    the names and values that a function of the script uses
callbacks        `ModelCheckpoint` and `TensorBoard` with their old arguments
callback_arguments    old arguments of other callbacks, and `lr` in the logs
optimizers/      old arguments and default values of optimizers, `lr`, `decay`
training/        `trainable` at `compile`, frozen BatchNormalization, what callbacks see
calling_script   the Keras that a script was written for
metric_names     `acc` and `accuracy`
data_arguments   old arguments of functions that load and prepare data
renamed_arguments     functions that take arguments under their old names too

The public names are loaded when they are first used, and Keras with them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_bigdata.legacy.callbacks import ModelCheckpoint, TensorBoard
    from keras_bigdata.legacy.generators.methods import (
        evaluate_generator,
        fit_generator,
        predict_generator,
    )
    from keras_bigdata.legacy.installation import install

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
    "evaluate_generator": "generators.methods",
    "fit_generator": "generators.methods",
    "install": "installation",
    "predict_generator": "generators.methods",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
