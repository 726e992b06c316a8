"""The locations of Keras's names in Keras 1 and 2 and in Keras 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keras_bigdata.old_keras.layers import LAYERS


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LAYERS = _split("""
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D
    AveragePooling3D BatchNormalization Bidirectional Concatenate Conv1D Conv2D Conv2DTranspose
    Conv3D Conv3DTranspose ConvLSTM2D Convolution1D Convolution2D Convolution2DTranspose
    Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D Dense DepthwiseConv2D Dot
    Dropout ELU Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalMaxPooling3D Input InputLayer InputSpec LSTM LSTMCell Lambda Layer
    LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum
    Multiply PReLU Permute RNN ReLU RepeatVector Reshape SeparableConv1D SeparableConv2D
    SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax
    SpatialDropout1D SpatialDropout2D SpatialDropout3D StackedRNNCells Subtract TimeDistributed
    UpSampling1D UpSampling2D UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D add
    average concatenate dot maximum minimum multiply subtract
    """)
_LOSSES = _split("""
    binary_crossentropy categorical_crossentropy categorical_hinge cosine_similarity hinge
    kl_divergence log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error
    mean_squared_logarithmic_error poisson sparse_categorical_crossentropy squared_hinge
    """)
_IMAGE_KERAS_3 = frozenset({"array_to_img", "img_to_array", "load_img", "save_img", "smart_resize"})
_IMAGE_TF_KERAS = _split("""
    DirectoryIterator ImageDataGenerator Iterator NumpyArrayIterator apply_affine_transform
    apply_brightness_shift apply_channel_shift random_brightness random_channel_shift
    random_rotation random_shear random_shift random_zoom
    """)
_TEXT = frozenset(
    {"Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"}
)
_SEQUENCE_TF_KERAS = frozenset({"TimeseriesGenerator", "make_sampling_table", "skipgrams"})
_UTILS = _split("""
    CustomObjectScope Progbar Sequence custom_object_scope deserialize_keras_object
    get_custom_objects get_file get_source_inputs model_to_dot normalize plot_model
    serialize_keras_object to_categorical
    """)
_OPTIMIZERS = _split("SGD RMSprop Adagrad Adadelta Adam Adamax Nadam Optimizer Ftrl")

# Removed modules, with the module that now has their names, and those names.
MOVED_MODULES: dict[str, tuple[str, frozenset[str]]] = {
    **{
        f"keras.layers.{name}": ("keras.layers", _LAYERS)
        for name in (
            "advanced_activations",
            "convolutional",
            "convolutional_recurrent",
            "core",
            "cudnn_recurrent",
            "embeddings",
            "local",
            "merge",
            "noise",
            "normalization",
            "normalization.batch_normalization",
            "normalization.layer_normalization",
            "pooling",
            "recurrent",
            "wrappers",
        )
    },
    **{
        f"keras.engine{name}": ("keras.layers", frozenset({"Input", "InputSpec", "Layer"}))
        for name in ("", ".topology", ".base_layer", ".input_layer", ".input_spec")
    },
    "keras.engine.training": ("keras.models", frozenset({"Model"})),
    "keras.engine.sequential": ("keras.models", frozenset({"Sequential"})),
    "keras.objectives": ("keras.losses", _LOSSES),
    "keras.utils.np_utils": ("keras.utils", _UTILS),
    "keras.utils.vis_utils": ("keras.utils", _UTILS),
    "keras.utils.data_utils": ("keras.utils", _UTILS),
    "keras.utils.generic_utils": ("keras.utils", _UTILS),
    "keras.utils.layer_utils": ("keras.utils", _UTILS),
    "keras.utils.visualize_util": ("keras.utils", _UTILS),
    "keras.preprocessing.text": ("tensorflow.keras.preprocessing.text", _TEXT),
    **{
        f"keras.optimizers.{name}": ("keras.optimizers", _OPTIMIZERS)
        for name in ("optimizer_v2", "optimizer_v2.adam", "adam_v2", "gradient_descent_v2")
    },
}

# Single names that were moved or renamed; their arguments are the same.
MOVED_NAMES: dict[str, tuple[str, str]] = {
    **{
        f"keras.preprocessing.image.{name}": ("tensorflow.keras.preprocessing.image", name)
        for name in _IMAGE_TF_KERAS
    },
    **{
        f"keras.preprocessing.sequence.{name}": ("tensorflow.keras.preprocessing.sequence", name)
        for name in _SEQUENCE_TF_KERAS
    },
    **{
        f"keras.engine{part}.{name}": ("keras.models", name)
        for part in ("", ".topology")
        for name in ("Model", "Sequential")
    },
    "keras.engine.topology.get_source_inputs": ("keras.utils", "get_source_inputs"),
    "keras.utils.visualize_util.plot": ("keras.utils", "plot_model"),
    "keras.constraints.maxnorm": ("keras.constraints", "max_norm"),
    "keras.constraints.nonneg": ("keras.constraints", "non_neg"),
    "keras.constraints.unitnorm": ("keras.constraints", "unit_norm"),
    **{
        f"{module}.{name}": (
            ("keras_bigdata.legacy.layers", name)
            if layer is None or layer.is_built_here
            else ("keras.layers", layer.target)
        )
        for module in (
            *("keras.layers", "keras.layers.core", "keras.layers.convolutional"),
            *("keras.layers.local", "keras.layers.merge", "keras.engine", "keras.engine.topology"),
        )
        for name, layer in (("Merge", None), ("merge", None), *LAYERS.items())
        if layer is None or layer.is_built_here or (name not in _LAYERS and layer.is_old_name)
    },
    **{
        f"keras.regularizers.{old}": ("keras.regularizers", new)
        for old, new in (
            ("WeightRegularizer", "L1L2"),
            ("ActivityRegularizer", "L1L2"),
            ("l1l2", "l1_l2"),
            ("activity_l1l2", "l1_l2"),
            ("activity_l1", "l1"),
            ("activity_l2", "l2"),
        )
    },
    **{
        f"keras.optimizers.{name.lower()}": ("keras.optimizers", name)
        for name in ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam")
    },
}

# Public names of Keras 3 that private copies of Keras (`tensorflow.python.keras`) had too.
PUBLIC_NAMES = {
    "keras.layers": _LAYERS,
    "keras.models": frozenset({"Model", "Sequential", "load_model", "model_from_json"}),
    "keras.optimizers": _OPTIMIZERS,
    "keras.preprocessing.image": _IMAGE_KERAS_3 | _IMAGE_TF_KERAS,
    "keras.preprocessing.text": _TEXT,
    "keras.utils": _UTILS,
    "keras.callbacks": _split("""
        CSVLogger Callback EarlyStopping History LambdaCallback LearningRateScheduler
        ModelCheckpoint ReduceLROnPlateau TensorBoard TerminateOnNaN
        """),
    "keras": frozenset({"backend", "callbacks", "layers", "losses", "models", "optimizers"}),
}

# Removed names, with advice that follows the name in a note.
REMOVED_NAMES: dict[str, str] = {
    name: advice
    for modules, names, advice in (
        (
            ("keras.layers", "keras.layers.core", "keras.layers.advanced_activations"),
            ("ParametricSoftplus", "SReLU", "ThresholdedReLU"),
            "was removed: write it with the layers of Keras 3.",
        ),
        (
            ("keras.layers", "keras.layers.cudnn_recurrent"),
            ("CuDNNGRU", "CuDNNLSTM"),
            "was removed: GRU and LSTM use cuDNN automatically where it is possible.",
        ),
        (
            ("keras.layers.merge",),
            ("_Merge",),
            "is private in Keras 3: derive from keras.layers.Layer, and rename _merge_function to "
            "call.",
        ),
        (
            ("keras.callbacks",),
            ("BaseLogger",),
            "was removed: Keras 3 averages the metrics itself, and `logs` has the averages. Remove "
            "it from the callbacks.",
        ),
        (
            ("keras.models",),
            ("Graph", "model_from_config", "model_from_yaml"),
            "was removed from Keras 3.",
        ),
        (
            ("keras.utils", "keras.utils.training_utils"),
            ("multi_gpu_model",),
            "was removed: build and compile the model under "
            "tf.distribute.MirroredStrategy().scope().",
        ),
        (
            ("keras.utils", "keras.utils.io_utils"),
            ("HDF5Matrix",),
            "was removed: pack the file once into shards and train on those.",
        ),
        (
            ("keras.wrappers.scikit_learn",),
            ("KerasClassifier", "KerasRegressor"),
            "was removed: use keras.wrappers.SKLearnClassifier or scikeras, whose arguments "
            "differ.",
        ),
        (
            ("keras.regularizers",),
            ("EigenvalueRegularizer",),
            "was removed: write a function of the weights.",
        ),
        (
            ("keras.initializers",),
            ("normal", "uniform", "one", "zero"),
            "was removed: use random_normal, random_uniform, ones or zeros.",
        ),
    )
    for module in modules
    for name in (f"{module}.{one}" for one in names)
}


@dataclass(frozen=True, slots=True)
class Submodule:
    """A module that is imported by name from its parent (`from keras.utils import np_utils`).

    Attributes:
        module, name: `from module import name` imports a module that has the same names.
        names: the names that it is known to have.
        unmoved: the names that are also still in the former location. Defaults to none.
    """

    module: str
    name: str
    names: frozenset[str]
    unmoved: frozenset[str] = frozenset()

    def must_change(self, used: set[str]) -> bool:
        """Whether the import must be changed for these used names."""
        return not used <= self.unmoved if used else not self.unmoved

    def can_change(self, used: set[str]) -> bool:
        """Whether the import must be changed, and the new module has all used names."""
        return self.must_change(used) and used <= self.names


SUBMODULES: dict[str, Submodule] = {
    "keras.preprocessing.image": Submodule(
        "tensorflow.keras.preprocessing", "image", _IMAGE_KERAS_3 | _IMAGE_TF_KERAS, _IMAGE_KERAS_3
    ),
    "keras.preprocessing.text": Submodule("tensorflow.keras.preprocessing", "text", _TEXT),
    "keras.preprocessing.sequence": Submodule(
        "tensorflow.keras.preprocessing",
        "sequence",
        _SEQUENCE_TF_KERAS | {"pad_sequences"},
        frozenset({"pad_sequences"}),
    ),
    "keras.objectives": Submodule("keras", "losses", _LOSSES),
    **{
        f"keras.utils.{name}": Submodule("keras", "utils", _UTILS)
        for name in ("np_utils", "vis_utils", "data_utils", "generic_utils", "layer_utils")
    },
    **{
        f"keras.layers.{name}": Submodule("keras", "layers", _LAYERS)
        for name in ("advanced_activations", "convolutional", "core", "pooling", "recurrent")
    },
}


def is_public_name(module: str, name: str) -> bool:
    """Whether a module of Keras 3 is known to have a public name."""
    return name in PUBLIC_NAMES.get(module, ())


def new_location(module: str, name: str) -> tuple[str, str] | Literal["unknown"] | None:
    """Returns the module and name in Keras 3 of a name of an old module.

    Args:
        module: such as `keras.layers.core`.
        name: such as `Dense`, or `*`.

    Returns:
        `(module, name)`; `None` if the name is not known to have moved; `"unknown"` if the module
        was removed and the name is not known.
    """
    location = MOVED_NAMES.get(f"{module}.{name}")
    if location is not None:
        return location
    if module not in MOVED_MODULES:
        return None
    new_module, names = MOVED_MODULES[module]
    return (new_module, name) if name in names or name == "*" else "unknown"


# Locations other than `keras` from which Keras was imported; longest first.
_FORMER_ROOTS = (
    "tensorflow.contrib.keras.python.keras",
    "tensorflow.compat.v1.keras",
    "tensorflow.compat.v2.keras",
    "tensorflow.contrib.keras",
    "tensorflow.python.keras",
    "tensorflow.keras",
)


def canonical_name(name: str) -> str:
    """Replaces any location of Keras, such as `tensorflow.keras`, by `keras`."""
    for root in _FORMER_ROOTS:
        if name == root or name.startswith(root + "."):
            return "keras" + name[len(root) :]
    return name


def keras_root(name: str) -> str:
    """Returns the location of Keras that a name starts with, such as `tensorflow.keras`.

    Returns `""` if it is not a name in Keras.
    """
    for root in (*_FORMER_ROOTS, "keras"):
        if name == root or name.startswith(root + "."):
            return root
    return ""
