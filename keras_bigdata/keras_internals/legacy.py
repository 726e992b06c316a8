"""Functions that scripts for Keras 1 and 2 used, and that are private in Keras 3."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import keras

_TF_KERAS = "keras._tf_keras.keras"

# Names under which Keras can be imported. `tensorflow.keras` and the one that `tf_keras_module`
# describes are separate modules: a name that is replaced in one stays what it was in the others.
KERAS_MODULES = ("keras", "keras.api", _TF_KERAS, "tensorflow.keras")


def copies_of(name: str) -> list[ModuleType]:
    """Returns the modules that scripts get for a module of Keras, such as `backend` or `layers`.

    Finds: `keras.layers`, `keras.api.layers`, `keras._tf_keras.keras.layers`, and
    `tensorflow.keras.layers`, which `import tensorflow.keras.layers` loads as a separate module.
    On other backends the last one is found only if TensorFlow is loaded, which takes seconds.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed.

    Without it: old names are missing in the copy of Keras that a script imports.
    """
    uses_tensorflow = keras.backend.backend() == "tensorflow" or "tensorflow" in sys.modules
    copies: list[ModuleType] = []
    for root in KERAS_MODULES:
        if root == "tensorflow.keras" and not uses_tensorflow:
            continue
        try:
            module = importlib.import_module(f"{root}.{name}" if name else root)
        except ImportError:
            continue
        if module not in copies:
            copies.append(module)
    return copies


def save_weights_as_keras_2(file: Any, model: Any) -> None:
    """Writes the weights of a model into an open HDF5 file, in the format of Keras 2.

    Finds: `keras.src.legacy.saving.legacy_h5_format.save_weights_to_hdf5_group`.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. Keras has no public function that writes this format without the model's
    configuration, which not every model has.

    Without it: an error that names the file endings to use.

    Args:
        file: an `h5py.File` that is open for writing.
        model: a built model.

    Raises:
        ValueError: if Keras cannot write the format any more.
    """
    try:
        from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group
    except ImportError as error:
        raise ValueError(
            f"This release of Keras cannot write weights in the format of Keras 2 ({error}). Use a "
            "name that ends in `.weights.h5`."
        ) from error
    save_weights_to_hdf5_group(file, model)


def tf_keras_module(name: str) -> ModuleType | None:
    """Returns a module of the `tf.keras` namespace, such as `preprocessing.text`.

    Finds: `keras._tf_keras.keras`, which contains `ImageDataGenerator`, `Tokenizer` and other names
    that are not in `keras`.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. `tensorflow.keras` has the same modules, where TensorFlow is installed.

    Without it: `None`; these names stay missing.
    """
    try:
        return importlib.import_module(f"{_TF_KERAS}.{name}")
    except ImportError:
        return None


def called_dataset_constructor(dataset: Any) -> bool:
    """Returns whether a `PyDataset` called the constructor of its base class.

    A `Sequence` for Keras 2 does not, because that class had no constructor.

    Finds: the attribute `_workers`, which the constructor sets and `PyDataset` looks for itself.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. `PyDataset.workers` sets the attribute and warns if it is missing.

    Without it: `False` for every dataset, which is then read as Keras 2 read it.
    """
    return isinstance(dataset, keras.utils.PyDataset) and "_workers" in vars(dataset)


def functional_class() -> Any:
    """Returns the class of models that are made of inputs and outputs.

    Finds: `keras.src.models.functional.Functional`.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. `type(keras.Model(inputs, outputs))` is the class, but creating a model
    for this changes the names that later layers receive.

    Without it: `None`; `Model(input=, output=)` raises a TypeError that names `input`.
    """
    try:
        from keras.src.models.functional import Functional
    except ImportError:
        return None
    return Functional


def node_tensors(layer: Any, kind: str) -> list[list[Any]]:
    """Returns the symbolic inputs or outputs of each call of a layer.

    Finds: `Operation._inbound_nodes`, whose elements have `input_tensors` and `output_tensors`.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. `layer.input` and `layer.output` are public, for the first call only.

    Without it: an empty list; `layer.output_shape` raises an AttributeError.

    Args:
        layer: the layer or model.
        kind: `"input"` or `"output"`.
    """
    nodes = getattr(layer, "_inbound_nodes", None) or ()
    return [list(getattr(node, f"{kind}_tensors", ())) for node in nodes]


def compiled_metric_names(model: Any) -> list[tuple[str | None, str]] | None:
    """Returns the names of the metrics that `compile` received, output by output.

    They are known before the model has seen data, when Keras has not made the metrics yet.

    Finds: `Trainer._compile_metrics`, with `_user_metrics`, `_user_weighted_metrics` and
    `output_names`.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: https://github.com/keras-team/keras/issues/20244, about the names of metrics.

    Without it: `None`; `metrics_names` is what Keras 3 returns, and `evaluate` has its order.

    Returns:
        Pairs of the name of the output (`None` if the model has one output) and of the metric, or
        `None` if the model is not compiled.
    """
    compiled = getattr(model, "_compile_metrics", None)
    if compiled is None:
        return [] if getattr(model, "compiled", False) else None
    outputs = list(getattr(model, "output_names", None) or [])
    by_output: list[tuple[str | None, str]] = []
    try:
        groups = (compiled._user_metrics, compiled._user_weighted_metrics)
    except AttributeError:
        return None
    if len(outputs) < 2:
        by_output = [
            (None, _metric_name(one)) for group in groups for one in keras.tree.flatten(group)
        ]
        return [(output, name) for output, name in by_output if name]
    for position, output in enumerate(outputs):
        for group in groups:
            part: Any = None
            if isinstance(group, dict):
                part = group.get(output)
            elif isinstance(group, (list, tuple)) and len(group) == len(outputs):
                part = group[position]
            by_output += [(output, _metric_name(one)) for one in keras.tree.flatten(part)]
    return [(output, name) for output, name in by_output if name]


def _metric_name(metric: Any) -> str:
    """Returns the name under which Keras 3 logs a metric."""
    if metric is None:
        return ""
    if isinstance(metric, str):
        return metric
    name = getattr(metric, "name", None) or getattr(metric, "__name__", None)
    return str(name or type(metric).__name__)


def module_with_get(name: str) -> ModuleType:
    """Returns the module whose `get` the layers call with a name, such as that of an activation.

    Finds: `keras.src.activations`, `keras.src.constraints` and the like.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. `keras.activations.get` is public, but a copy of the reference.

    Without it: `keras.activations`; names in layers keep their meaning of Keras 3.

    Args:
        name: the name of the public module, such as `"activations"`.
    """
    try:
        return importlib.import_module(f"keras.src.{name}")
    except ImportError:
        return importlib.import_module(f"keras.{name}")


def order_own_variables(layer: Any, trainable: list[Any], others: list[Any]) -> None:
    """Makes variables that a layer has itself its trainable ones, or the others, in an order.

    Finds: `Layer._trainable_variables` and `Layer._non_trainable_variables`. `layer.weights` has
    their order, and `layer.trainable = ...` changes those of the first list only.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. A variable is put into one of the lists when it is created, for good.

    Without it: the order of creation, and `layer.trainable = False` does not freeze variables that
    were created as not trainable.

    Args:
        layer: the layer.
        trainable: variables of the layer. Those of layers in it are left alone.
        others: the same, for those that are not trained.
    """
    lists = [getattr(layer, f"_{kind}_variables", None) for kind in ("trainable", "non_trainable")]
    if not all(isinstance(each, list) for each in lists):
        return
    own = {id(variable) for each in lists for variable in each or ()}
    for each, chosen in zip(lists, (trainable, others), strict=True):
        assert each is not None
        each[:] = [variable for variable in chosen if id(variable) in own]


def current_training_argument() -> bool | None:
    """Returns the argument `training` of the layer or model that is being called.

    Finds: `keras.src.backend.common.global_state.get_global_attribute("current_call_ctx")`, whose
    `training` every layer without this argument inherits.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. Publicly, a layer receives it as an argument `training` of its `call`.

    Without it: `None`; `keras.backend.in_train_phase` without an argument means inference.
    """
    try:
        from keras.src.backend.common.global_state import get_global_attribute
    except ImportError:
        return None
    context = get_global_attribute("current_call_ctx")
    training = getattr(context, "training", None)
    return None if training is None else bool(training)


def merging_method(layer: type) -> str | None:
    """Returns the name of the method with which a merging layer joins inputs of equal rank.

    Finds: `Merge._merge_function`, which `Merge.call` calls after it has made the ranks equal.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. `call` is public, but makes the ranks equal too.

    Without it: `None`; `multiply`, `maximum` and `minimum` ignore the values of masked steps.

    Args:
        layer: the class, such as `keras.layers.Multiply`.
    """
    return "_merge_function" if hasattr(layer, "_merge_function") else None
