"""Finds the object for a name of an old module: a moved object, a stand-in, or an explanation."""

from __future__ import annotations

import importlib
from typing import Any

import keras

from keras_bigdata.legacy.modules import initializations, star_imports
from keras_bigdata.legacy.stand_ins import explaining
from keras_bigdata.old_keras.backend_functions import advice as backend_advice
from keras_bigdata.old_keras.locations import REMOVED_NAMES, new_location
from keras_bigdata.old_keras.star_names import star_names

_PACKAGE = "keras_bigdata.legacy.modules"
_STAND_INS = {
    "HDF5Matrix": ("hdf5_matrix", "HDF5Matrix"),
    "BaseWrapper": ("scikit_learn", "BaseWrapper"),
    "KerasClassifier": ("scikit_learn", "KerasClassifier"),
    "KerasRegressor": ("scikit_learn", "KerasRegressor"),
    "CuDNNLSTM": ("cudnn_layers", "CuDNNLSTM"),
    "CuDNNGRU": ("cudnn_layers", "CuDNNGRU"),
    **{
        name: ("batch_metrics", name)
        for name in ("precision", "recall", "fbeta_score", "fmeasure", "matthews_correlation")
    },
    "fscore": ("batch_metrics", "fmeasure"),
    "f1score": ("batch_metrics", "fmeasure"),
    **{
        name: ("small_functions", name)
        for name in (
            *("normalize_tuple", "normalize_padding", "conv_output_length", "conv_input_length"),
            *("to_list", "unpack_singleton", "is_all_none", "has_arg", "print_summary"),
            *("probas_to_classes", "categorical_probas_to_classes", "multi_gpu_model"),
            *("slice_X", "slice_arrays"),
        )
    },
    "_obtain_input_shape": ("input_shapes", "obtain_input_shape"),
    "_get_available_gpus": ("small_functions", "available_gpus"),
}
_LOSSES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "kld": "kl_divergence",
}
# Other names of the same object: module and name in Keras 3.
_ALIASES = {
    **{old: ("keras.losses", new) for old, new in _LOSSES.items()},
    **{old.upper(): ("keras.losses", new) for old, new in _LOSSES.items()},
    "kullback_leibler_divergence": ("keras.losses", "kl_divergence"),
    "cosine": ("keras.losses", "cosine_similarity"),
    "cosine_proximity": ("keras.losses", "cosine_similarity"),
    "logcosh": ("keras.losses", "log_cosh"),
    "K": ("keras", "backend"),
    "nonneg": ("keras.constraints", "NonNeg"),
    "unitnorm": ("keras.constraints", "UnitNorm"),
    "normal": ("keras.initializers", "RandomNormal"),
    "uniform": ("keras.initializers", "RandomUniform"),
    "zero": ("keras.initializers", "Zeros"),
    "one": ("keras.initializers", "Ones"),
    "plot": ("keras.utils", "plot_model"),
    "optimizer_from_config": ("keras.optimizers", "deserialize"),
    "Network": ("keras.models", "Model"),
    "Container": ("keras.models", "Model"),
    "initializations": ("keras", "initializers"),
    "objectives": ("keras", "losses"),
    "SequenceEnqueuer": ("keras.utils", "PyDataset"),
}
# Base classes of custom layers, with a layer of Keras 3 that is derived from their successor.
_BASES = {"_Merge": "Add", "_Conv": "Conv2D"}
_PUBLIC_MODULES = (
    *("keras.layers", "keras.models", "keras.utils", "keras.losses", "keras.optimizers"),
    *("keras.metrics", "keras.callbacks", "keras.initializers", "keras.constraints"),
    *("keras.regularizers", "keras.activations", "keras.applications", "keras.preprocessing.image"),
    *("keras.preprocessing.sequence", "keras.preprocessing.text", "keras.saving", "keras"),
)
_ADVICE = {
    "GeneratorEnqueuer": "was removed: use a keras.utils.PyDataset, which has `workers`.",
    "OrderedEnqueuer": "was removed: use a keras.utils.PyDataset, which has `workers`.",
    "TFOptimizer": "was removed: use an optimizer of keras.optimizers.",
    "convert_all_kernels_in_model": "was removed: weights of the Theano backend are not converted.",
    "EigenvalueRegularizer": "was removed: write a subclass of keras.regularizers.Regularizer.",
    "h5dict": "was removed: use h5py.",
    "H5Dict": "was removed: use h5py.",
}


def find(module: str, name: str) -> Any:
    """Returns the object for a name of an old module, or a stand-in that raises an explanation.

    Args:
        module: such as `keras.engine.topology`.
        name: such as `Layer`.
    """
    if module == "keras.initializations" and name in initializations.FUNCTIONS:
        return initializations.FUNCTIONS[name]
    if name in star_names(module):
        value = star_imports.star_value(name)
        if value is not None:
            return value
    if name in _BASES and module.startswith("keras.layers."):
        return getattr(keras.layers, _BASES[name]).__base__
    if name in _STAND_INS:
        file, attribute = _STAND_INS[name]
        return getattr(importlib.import_module(f"{_PACKAGE}.{file}"), attribute)
    location = new_location(module, name)
    candidates = [location] if isinstance(location, tuple) else []
    if module.startswith("keras.backend"):
        candidates.insert(0, ("keras.backend", name))
    candidates += [_ALIASES[name]] if name in _ALIASES else []
    candidates += [(public, name) for public in _PUBLIC_MODULES]
    for new_module, new_name in candidates:
        value = _lookup(new_module.removeprefix("tensorflow."), new_name)
        if value is not None:
            return value
    full = f"{module}.{name}"
    text = REMOVED_NAMES.get(full) or _ADVICE.get(name)
    if text is None and module.startswith("keras.backend"):
        text = backend_advice(name)
    return explaining(full, text or "")


def _lookup(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
