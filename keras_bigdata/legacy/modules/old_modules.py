"""`keras.layers.core`, `keras.utils.np_utils` and other modules that Keras 3 does not have."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of
from keras_bigdata.legacy.modules.old_names import find
from keras_bigdata.legacy.modules.star_imports import available_star_names
from keras_bigdata.legacy.patching import add_module, add_name, replace, replace_module
from keras_bigdata.old_keras.locations import REMOVED_NAMES
from keras_bigdata.old_keras.public_names import all_names, old_modules

# Modules of tf.keras and of later releases of Keras 2, and internal modules that scripts import.
_LATER_MODULES = """
    keras.engine.base_layer_v1 keras.engine.functional keras.engine.input_spec
    keras.engine.keras_tensor keras.engine.training_utils keras.engine.training_arrays
    keras.engine.training_generator keras.engine.data_adapter keras.engine.compile_utils
    keras.applications.resnet keras.applications.music_tagger_crnn
    keras.applications.audio_conv_utils
    keras.backend.theano_backend keras.backend.load_backend
    keras.layers.experimental keras.layers.experimental.preprocessing
    keras.layers.normalization.batch_normalization keras.layers.normalization.layer_normalization
    keras.layers.preprocessing keras.layers.preprocessing.image_preprocessing
    keras.layers.convolutional.conv2d keras.layers.reshaping keras.layers.regularization
    keras.legacy.interfaces keras.losses.objectives keras.objectives
    keras.optimizers.optimizer_v2 keras.optimizers.adam_v2 keras.optimizers.gradient_descent_v2
    keras.optimizers.rmsprop_v2 keras.optimizers.adamax_v2 keras.optimizers.nadam_v2
    keras.optimizers.adam keras.optimizers.sgd keras.optimizers.rmsprop
    keras.optimizers.optimizer_v2.adam keras.optimizers.optimizer_v2.gradient_descent
    keras.optimizer_v2 keras.optimizer_v2.adam keras.optimizer_v2.gradient_descent
    keras.optimizer_v2.rmsprop keras.optimizer_v1
    keras.saving.hdf5_format keras.saving.saved_model keras.saving.save
    keras.utils.all_utils keras.utils.test_utils keras.utils.training_utils
    keras.utils.tf_utils keras.utils.losses_utils keras.utils.metrics_utils
    keras.utils.multi_gpu_utils keras.utils.vis_utils
    """
# Packages from which all of Keras could be imported.
_FORMER_ROOTS = (
    *("tensorflow.python.keras", "tensorflow.contrib.keras"),
    "tensorflow.contrib.keras.python.keras",
)
# Packages that held parts of Keras 2. They are replaced only if they are not installed.
_SEPARATE_PACKAGES = {
    "keras_preprocessing": ("", "image", "sequence", "text"),
    "keras_applications": (
        *("", "densenet", "imagenet_utils", "inception_resnet_v2", "inception_v3", "mobilenet"),
        *("mobilenet_v2", "nasnet", "resnet50", "vgg16", "vgg19", "xception"),
    ),
}
_PUBLIC = """
    activations applications backend callbacks constraints datasets initializers layers losses
    metrics models optimizers preprocessing preprocessing.image preprocessing.sequence
    preprocessing.text regularizers utils wrappers
    """


class OldModule(types.ModuleType):
    """A module that finds the objects for its names when they are used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = find(self.__name__, name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *all_names(self.__name__)})


def install() -> None:
    """Makes the modules importable, and adds the old names to those that exist."""
    names = sorted({*old_modules(), *_LATER_MODULES.split()})
    modules = {name: _module(name) for name in names}
    for name, module in modules.items():
        _add_to_parent(name, module)
    for name in names:
        if not isinstance(modules[name], OldModule) and name not in ("keras", "keras.backend"):
            for copy in copies_of(name.removeprefix("keras").lstrip(".")):
                for member in sorted(all_names(name)):
                    if not hasattr(copy, member):
                        add_name(copy, member, find(name, member))
    for full in REMOVED_NAMES:
        parent, _, member = full.rpartition(".")
        if not isinstance(modules.get(parent), OldModule):
            for copy in copies_of(parent.removeprefix("keras").lstrip(".")):
                if not hasattr(copy, member):
                    add_name(copy, member, find(parent, member))
    _add_star_names(modules)
    _add_roots(modules)


def _module(name: str) -> types.ModuleType:
    """Returns a module of Keras, which is added if it does not exist."""
    if name in sys.modules:
        return sys.modules[name]
    try:
        return importlib.import_module(name)
    except ImportError:
        pass
    module = OldModule(name, f"Names that were in {name} in Keras 1 and 2.")
    module.__path__ = []
    vars(module)["__all__"] = sorted(all_names(name) | set(available_star_names(name)))
    return add_module(name, module)


def _add_star_names(modules: dict[str, types.ModuleType]) -> None:
    """Adds the names that only `import *` bound to the modules of `keras` that exist.

    In `tensorflow.keras`, `import *` bound public names only.
    """
    for name, module in {**modules, "keras.backend": keras.backend}.items():
        if not isinstance(module, OldModule):
            for member in available_star_names(name):
                if not hasattr(module, member):
                    add_name(module, member, find(name, member))


def _add_to_parent(name: str, module: types.ModuleType) -> None:
    parent, _, last = name.rpartition(".")
    is_hidden = last in all_names(parent) and name not in old_modules()  # `optimizers.adam`
    if not parent or is_hidden:
        return
    if isinstance(sys.modules[parent], OldModule):
        setattr(sys.modules[parent], last, module)
        return
    for copy in copies_of(parent.removeprefix("keras").lstrip(".")):
        add_name(copy, last, module)
        if isinstance(module, OldModule) or not _is_importable(f"{copy.__name__}.{last}"):
            add_module(f"{copy.__name__}.{last}", module)


def _is_importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _add_roots(modules: dict[str, types.ModuleType]) -> None:
    public = {f"keras.{name}": importlib.import_module(f"keras.{name}") for name in _PUBLIC.split()}
    everything = {**public, **modules}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        contrib = add_module("tensorflow.contrib", OldModule("tensorflow.contrib"))
        add_name(tf, "contrib", contrib)
        for root in ("tensorflow.keras", *_FORMER_ROOTS):
            is_public = root == "tensorflow.keras"
            if not is_public:
                replace_module(root, keras)
            for name, module in everything.items():
                if isinstance(module, OldModule) or not is_public:
                    # The copy of Keras 2 within TensorFlow does not work with Keras 3.
                    replace_module(f"{root}{name.removeprefix('keras')}", module)
        vars(contrib)["keras"] = keras
        replace(sys.modules["tensorflow.python"], "keras", keras)
    for package, parts in _SEPARATE_PACKAGES.items():
        if package in sys.modules or importlib.util.find_spec(package) is not None:
            continue
        source = "keras." + package.removeprefix("keras_")
        for part in parts:
            module = sys.modules[f"{source}.{part}" if part else source]
            add_module(f"{package}.{part}" if part else package, module)
