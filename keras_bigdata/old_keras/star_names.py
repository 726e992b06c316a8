"""Names that `from module import *` of Keras 1 and 2 bound, besides the public names.

Their modules had no `__all__`, so a script got what each module had imported for itself:
`from keras.layers import *` bound `np` and `K` too, and scripts use both without an import.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

# From the imports of each module in Keras 1.2.2 and 2.2.4, as are the tables of public names. Left
# out: internal functions, names that Python 3 has built in (`zip` of six), and `copy`, `time`,
# `random` and `warnings`, because `from copy import copy` before the star is more frequent than
# their use after it.
_TABLE = """
    keras.activations: K Layer deserialize_keras_object six;
    keras.applications.audio_conv_utils keras.initializations keras.utils.conv_utils
        keras.utils.np_utils: K np;
    keras.applications.imagenet_utils: K get_file json np;
    keras.applications.inception_v3: AveragePooling2D BatchNormalization Convolution2D Dense
        Flatten Input K MaxPooling2D Model get_file get_source_inputs merge;
    keras.applications.music_tagger_crnn: BatchNormalization Convolution2D Dense Dropout ELU GRU
        Input K MaxPooling2D Model Permute Reshape ZeroPadding2D get_file get_source_inputs;
    keras.applications.resnet50: Activation AveragePooling2D BatchNormalization Convolution2D
        Dense Flatten Input K MaxPooling2D Model ZeroPadding2D get_file get_source_inputs merge;
    keras.applications.vgg16 keras.applications.vgg19: Convolution2D Dense Flatten Input K
        MaxPooling2D Model get_file get_source_inputs;
    keras.applications.xception: Activation BatchNormalization Conv2D Dense
        GlobalAveragePooling2D Input K MaxPooling2D Model SeparableConv2D get_file
        get_source_inputs merge;
    keras.backend: defaultdict inspect json np os sys tf;
    keras.backend.tensorflow_backend: defaultdict np os tf;
    keras.callbacks: Iterable K OrderedDict Progbar csv deque json np os six sys tf;
    keras.constraints keras.losses keras.metrics keras.objectives keras.regularizers: K
        deserialize_keras_object serialize_keras_object six;
    keras.datasets.boston_housing: get_file np;
    keras.datasets.cifar: sys;
    keras.datasets.cifar10 keras.datasets.cifar100: K get_file np os;
    keras.datasets.fashion_mnist: get_file gzip np os;
    keras.datasets.imdb: get_file gzip json np sys;
    keras.datasets.mnist: get_file gzip np sys;
    keras.datasets.reuters: get_file json np sys;
    keras.engine.base_layer: K initializers re;
    keras.engine.input_layer: K Layer Node;
    keras.engine.network: InputLayer K Layer Node get_source_inputs h5py json np os yaml;
    keras.engine.saving: K conv_utils h5py json np optimizers os yaml;
    keras.engine.sequential: Input InputLayer K Layer Model h5py;
    keras.engine.topology: inspect np os python_types;
    keras.engine.training: multiprocessing np six threading;
    keras.engine.training_arrays keras.engine.training_generator: K Progbar np;
    keras.engine.training_utils: K losses np;
    keras.initializers: K deserialize_keras_object np serialize_keras_object six;
    keras.layers: K activations constraints conv_utils functools initializations initializers
        inspect namedtuple np python_types regularizers;
    keras.layers.advanced_activations keras.layers.recurrent: InputSpec K Layer activations
        constraints initializations initializers np regularizers;
    keras.layers.convolutional: AveragePooling1D AveragePooling2D AveragePooling3D InputSpec K
        Layer MaxPooling1D MaxPooling2D MaxPooling3D activations constraints conv_utils
        functools initializations initializers regularizers;
    keras.layers.convolutional_recurrent: InputSpec K Layer RNN Recurrent activations
        constraints conv_utils initializations initializers np regularizers;
    keras.layers.core: InputSpec K Layer Merge activations constraints conv_utils
        deserialize_keras_object initializations initializers inspect np python_types
        regularizers;
    keras.layers.cudnn_recurrent: InputSpec K RNN constraints initializers namedtuple
        regularizers;
    keras.layers.embeddings: K Layer constraints initializations initializers regularizers;
    keras.layers.local: InputSpec K Layer activations constraints conv_utils initializations
        initializers regularizers;
    keras.layers.merge: K Layer;
    keras.layers.noise: K Layer np;
    keras.layers.normalization: InputSpec K Layer constraints initializations initializers
        regularizers;
    keras.layers.pooling: InputSpec K Layer conv_utils;
    keras.layers.wrappers: InputSpec K Layer;
    keras.models: h5py json np os;
    keras.optimizers: K deserialize_keras_object get_custom_objects serialize_keras_object six
        tf;
    keras.preprocessing.image: K inspect linalg ndi np os re threading;
    keras.preprocessing.sequence: np;
    keras.preprocessing.text: np sys;
    keras.utils.data_utils: Progbar functools hashlib np os shutil six sys tarfile threading;
    keras.utils.generic_utils: inspect np python_types six sys;
    keras.utils.io_utils: defaultdict h5py np six sys;
    keras.utils.layer_utils: K Model Sequential activations constraints functools
        get_custom_objects initializations inspect np python_types regularizers;
    keras.utils.multi_gpu_utils: K Lambda Model concatenate;
    keras.utils.vis_utils: os;
    keras.utils.visualize_util: Sequential Wrapper os;
    keras.wrappers.scikit_learn: Sequential inspect np to_categorical;
    """

# The full names of modules and their members; all other names are classes and functions of Keras.
_MEANINGS = {
    "K": "keras.backend",
    "np": "numpy",
    "tf": "tensorflow",
    "ndi": "scipy.ndimage",
    "linalg": "scipy.linalg",
    "python_types": "types",
    "conv_utils": "keras.utils.conv_utils",
    "initializations": "keras.initializations",
    "objectives": "keras.objectives",
    **{
        name: f"keras.{name}"
        for name in (
            *("activations", "constraints", "initializers", "regularizers"),
            *("losses", "metrics", "optimizers"),
        )
    },
    **{
        name: name
        for name in (
            *("csv", "functools", "gzip", "hashlib", "inspect", "json", "math", "multiprocessing"),
            *("os", "re", "shutil", "sys", "tarfile", "threading", "h5py", "six", "yaml"),
        )
    },
    **{
        name: f"collections.{name}"
        for name in ("OrderedDict", "defaultdict", "deque", "namedtuple")
    },
    "Iterable": "collections.abc.Iterable",
}


@functools.cache
def _names_by_module() -> Mapping[str, frozenset[str]]:
    names: dict[str, frozenset[str]] = {}
    for entry in _TABLE.split(";"):
        modules, _, found = entry.partition(":")
        names |= dict.fromkeys(modules.split(), frozenset(found.split()))
    return names


def star_names(module: str) -> frozenset[str]:
    """Returns the names that `from module import *` bound besides the public ones.

    Args:
        module: such as `keras.layers`.
    """
    return _names_by_module().get(module, frozenset())


def meaning_of(name: str) -> str | None:
    """Returns the full name of a module, or of one of its members, that a name stands for.

    Args:
        name: one of `star_names`.

    Returns:
        Such as `numpy` for `np`; `None` for a class or a function of Keras.
    """
    return _MEANINGS.get(name)
