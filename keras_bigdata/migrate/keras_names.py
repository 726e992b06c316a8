"""Where the names of former Keras modules are today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import libcst as cst


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LAYERS = _names("""
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
_LOSSES = _names("""
    binary_crossentropy categorical_crossentropy categorical_hinge cosine_similarity hinge
    kl_divergence log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error
    mean_squared_logarithmic_error poisson sparse_categorical_crossentropy squared_hinge
    """)
_IMAGE = frozenset({"array_to_img", "img_to_array", "load_img", "save_img", "smart_resize"})
_IMAGE_OF_TENSORFLOW = _names("""
    DirectoryIterator ImageDataGenerator Iterator NumpyArrayIterator apply_affine_transform
    apply_brightness_shift apply_channel_shift random_brightness random_channel_shift
    random_rotation random_shear random_shift random_zoom
    """)
_TEXT = frozenset(
    {"Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"}
)
_SEQUENCE_OF_TENSORFLOW = frozenset({"TimeseriesGenerator", "make_sampling_table", "skipgrams"})
_UTILS = _names("""
    CustomObjectScope Progbar Sequence custom_object_scope deserialize_keras_object
    get_custom_objects get_file get_source_inputs model_to_dot normalize plot_model
    serialize_keras_object to_categorical
    """)
_OPTIMIZERS = _names("SGD RMSprop Adagrad Adadelta Adam Adamax Nadam Optimizer Ftrl")

# A module that is gone: the module that has its names, and which.
_MOVED: dict[str, tuple[str, frozenset[str]]] = {
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

# Single names that have moved or are called otherwise; the arguments are the same.
_NAMES: dict[str, tuple[str, str]] = {
    **{
        f"keras.preprocessing.image.{name}": ("tensorflow.keras.preprocessing.image", name)
        for name in _IMAGE_OF_TENSORFLOW
    },
    **{
        f"keras.preprocessing.sequence.{name}": ("tensorflow.keras.preprocessing.sequence", name)
        for name in _SEQUENCE_OF_TENSORFLOW
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
        f"keras.optimizers.{name.lower()}": ("keras.optimizers", name)
        for name in ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam")
    },
}

# Public names that private copies of Keras (`tensorflow.python.keras`) had too.
_PUBLIC = {
    "keras.layers": _LAYERS,
    "keras.models": frozenset({"Model", "Sequential", "load_model", "model_from_json"}),
    "keras.optimizers": _OPTIMIZERS,
    "keras.preprocessing.image": _IMAGE | _IMAGE_OF_TENSORFLOW,
    "keras.preprocessing.text": _TEXT,
    "keras.utils": _UTILS,
    "keras.callbacks": _names("""
        CSVLogger Callback EarlyStopping History LambdaCallback LearningRateScheduler
        ModelCheckpoint ReduceLROnPlateau TensorBoard TerminateOnNaN
        """),
    "keras": frozenset({"backend", "callbacks", "layers", "losses", "models", "optimizers"}),
}

# What is gone, and what to do instead.
GONE: dict[str, str] = {
    name: why
    for modules, names, why in (
        (
            ("keras.layers", "keras.layers.core", "keras.engine", "keras.engine.topology"),
            ("Merge", "merge"),
            "is gone: use the layers Add, Multiply, Average, Concatenate, Dot.",
        ),
        (("keras.layers.merge",), ("Merge", "merge"), "is gone: use Add, Concatenate and so on."),
        (
            ("keras.layers", "keras.layers.core", "keras.layers.advanced_activations"),
            (
                "Highway",
                "MaxoutDense",
                "ParametricSoftplus",
                "SReLU",
                "ThresholdedReLU",
                "TimeDistributedDense",
            ),
            "is gone from Keras: write it with the layers of today.",
        ),
        (
            ("keras.layers", "keras.layers.convolutional"),
            ("AtrousConvolution1D", "AtrousConvolution2D", "Deconvolution2D", "Deconvolution3D"),
            "is gone: Conv2D(dilation_rate=) and Conv2DTranspose do it, with other arguments.",
        ),
        (
            ("keras.layers", "keras.layers.local"),
            ("LocallyConnected1D", "LocallyConnected2D"),
            "is gone from Keras 3.",
        ),
        (
            ("keras.layers", "keras.layers.cudnn_recurrent"),
            ("CuDNNGRU", "CuDNNLSTM"),
            "is gone: GRU and LSTM use cuDNN by themselves where they can.",
        ),
        (
            ("keras.models",),
            ("Graph", "model_from_config", "model_from_yaml"),
            "is gone from Keras 3.",
        ),
        (
            ("keras.utils", "keras.utils.training_utils"),
            ("multi_gpu_model",),
            "is gone: build and compile the model under tf.distribute.MirroredStrategy().scope().",
        ),
        (
            ("keras.utils", "keras.utils.io_utils"),
            ("HDF5Matrix",),
            "is gone: pack the file once into shards and feed those.",
        ),
        (
            ("keras.wrappers.scikit_learn",),
            ("KerasClassifier", "KerasRegressor"),
            "is gone: keras.wrappers.SKLearnClassifier, or scikeras, with other arguments.",
        ),
        (
            ("keras.backend", "keras.backend.tensorflow_backend"),
            ("set_session", "get_session"),
            "is gone: there are no sessions. Use tf.config for what it configured.",
        ),
        (
            ("keras.backend", "keras.backend.common"),
            ("image_dim_ordering", "set_image_dim_ordering"),
            "is gone: image_data_format and set_image_data_format, where 'th' is "
            "'channels_first' and 'tf' is 'channels_last'; shapes go with it.",
        ),
        (
            ("keras.regularizers",),
            ("WeightRegularizer", "ActivityRegularizer", "l1l2", "activity_l1", "activity_l2"),
            "is gone: l1, l2 and l1_l2.",
        ),
        (
            ("keras.initializers",),
            ("normal", "uniform", "one", "zero"),
            "is gone: random_normal, random_uniform, ones, zeros.",
        ),
    )
    for module in modules
    for name in (f"{module}.{one}" for one in names)
}


@dataclass(frozen=True, slots=True)
class Submodule:
    """A module that was imported by name from its parent (`from keras.utils import np_utils`).

    Args:
        module, name: `from module import name` gives a module that has the same names.
        names: those of its names that are known.
        others: those for which the former place still does. Defaults to none.
    """

    module: str
    name: str
    names: frozenset[str]
    others: frozenset[str] = frozenset()

    def wanted(self, used: set[str]) -> bool:
        """Whether the import has to change for these uses."""
        return not used <= self.others if used else not self.others

    def allows(self, used: set[str]) -> bool:
        """Whether it can change for these uses."""
        return self.wanted(used) and used <= self.names


SUBMODULES: dict[str, Submodule] = {
    "keras.preprocessing.image": Submodule(
        "tensorflow.keras.preprocessing", "image", _IMAGE | _IMAGE_OF_TENSORFLOW, _IMAGE
    ),
    "keras.preprocessing.text": Submodule("tensorflow.keras.preprocessing", "text", _TEXT),
    "keras.preprocessing.sequence": Submodule(
        "tensorflow.keras.preprocessing",
        "sequence",
        _SEQUENCE_OF_TENSORFLOW | {"pad_sequences"},
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


def is_public(module: str, name: str) -> bool:
    """Whether a name is known to be in a module today."""
    return name in _PUBLIC.get(module, ())


def new_place(module: str, name: str) -> tuple[str, str] | Literal["unknown"] | None:
    """Where a name of a module is today.

    Args:
        module: such as `keras.layers.core`.
        name: such as `Dense`, or `*`.

    Returns:
        `(module, name)`; `None` if it is not known to have moved; `"unknown"` if the module is
        gone and the name not known.
    """
    single = _NAMES.get(f"{module}.{name}")
    if single is not None:
        return single
    if module not in _MOVED:
        return None
    target, names = _MOVED[module]
    return (target, name) if name in names or name == "*" else "unknown"


# Longest first.
_FORMER_ROOTS = (
    "tensorflow.contrib.keras.python.keras",
    "tensorflow.compat.v1.keras",
    "tensorflow.compat.v2.keras",
    "tensorflow.contrib.keras",
    "tensorflow.python.keras",
    "tensorflow.keras",
)


def dotted(node: cst.CSTNode | None) -> str:
    """`a.b.c` of a chain of attributes; `""` of anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr.value}"
    return ""


def as_node(name: str) -> cst.Name | cst.Attribute:
    """The chain of attributes of `a.b.c`."""
    first, *rest = name.split(".")
    node: cst.Name | cst.Attribute = cst.Name(first)
    for part in rest:
        node = cst.Attribute(node, cst.Name(part))
    return node


def canonical(name: str) -> str:
    """The name with `keras` for any place that Keras has lived in."""
    for root in _FORMER_ROOTS:
        if name == root or name.startswith(root + "."):
            return "keras" + name[len(root) :]
    return name


def root_of(name: str) -> str:
    """The place of Keras that a name starts with, such as `tensorflow.keras`; `""` if none."""
    for root in (*_FORMER_ROOTS, "keras"):
        if name == root or name.startswith(root + "."):
            return root
    return ""
