"""Functions of `keras.losses` and `keras.metrics` under names that Keras 3 does not have."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.compiled_names import BATCH_METRICS, LOSS_NAMES
from keras_bigdata.old_keras.locations import canonical_name, keras_root

_MODULES = ("keras.losses", "keras.metrics")
_STARS = {*_MODULES, "keras.objectives"}
_SHORT_NAMES = {
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
    "kld": "kl_divergence",
}
_NEW_NAMES = {
    **_SHORT_NAMES,
    **{short.upper(): name for short, name in _SHORT_NAMES.items()},
    **LOSS_NAMES,
}
# `tensorflow.keras` has the short names, and not the long ones.
_NEW_NAMES_IN_TENSORFLOW = {
    **{name: short for short, name in _SHORT_NAMES.items()},
    "log_cosh": "logcosh",
    "cosine": "cosine_similarity",
    "cosine_proximity": "cosine_similarity",
    "huber_loss": "huber",
}
_UNCHANGED = {"deserialize", "get", "serialize"}
_BATCH_METRICS = {*BATCH_METRICS, "precision", "recall"}
_BATCH_METRIC = (
    "was removed: Keras 1 computed it batch by batch. Write a function of (y_true, y_pred), or use "
    "keras.metrics.F1Score, Precision or Recall, which are computed over all rows."
)


def new_function(written: str, name: str) -> tuple[str, str] | None:
    """Returns the module (in `keras`) and the name of a function that was renamed.

    Args:
        written: the old module as the script has it, such as `tensorflow.keras.losses`.
        name: such as `mse`.

    Returns:
        `None` if the function is not known or has its old name.
    """
    module = canonical_name(written).replace("keras.objectives", "keras.losses")
    is_tensorflow = keras_root(written) not in ("", "keras")
    new = (_NEW_NAMES_IN_TENSORFLOW if is_tensorflow else _NEW_NAMES).get(name)
    if canonical_name(written) == "keras.objectives" and name in _UNCHANGED:
        return module, name
    if module not in _MODULES or new is None:
        return None
    return ("keras.losses" if new == "cosine_similarity" else module), new


def advice(module: str, name: str) -> str | None:
    """Returns what follows the name of a removed metric in a note; `None` for other names."""
    is_removed = module == "keras.metrics" and name in _BATCH_METRICS
    return _BATCH_METRIC if is_removed else None


def plan(script: Script) -> None:
    """Changes the names of functions where they are used; the rule of imports changes imports."""
    for attribute in script.all(cst.Attribute):
        _plan_attribute(script, attribute)
    modules = [module for module in script.star_modules if canonical_name(module) in _STARS]
    for node in script.all(cst.Name) if modules else ():
        _plan_star_name(script, node, modules[-1])


def _plan_attribute(script: Script, node: cst.Attribute) -> None:
    """Changes `losses.mse`, however the module was imported."""
    written, _, name = script.written_name(node).rpartition(".")
    parent = script.parent(node)
    if not written or isinstance(parent, cst.ImportAlias | cst.ImportFrom):
        return
    removed = advice(canonical_name(written), name)
    if removed is not None:
        script.note(node, f"{script.code(node)} {removed}")
    location = new_function(written, name)
    if location is None:
        return
    module, new_name = location
    if isinstance(node.value, cst.Attribute) and node.value.attr.value == "objectives":
        base = node.value.with_changes(attr=cst.Name("losses"))
        script.edit(node, lambda _: cst.Attribute(base, cst.Name(new_name)))
    elif canonical_name(written) in (module, "keras.objectives"):
        script.edit(node, lambda new: new.with_changes(attr=cst.Name(new_name)))
    else:
        script.note(node, f"{script.code(node)} is {module}.{new_name} in Keras 3.")


def _plan_star_name(script: Script, node: cst.Name, module: str) -> None:
    """Changes a name that `from keras.losses import *` bound."""
    location = new_function(module, node.value)
    if location is None or not script.star_import_name(node) or not script.is_variable(node):
        return
    if not script.full_name(node).startswith("keras."):
        return
    new_module, new_name = location
    if script.is_bound(new_name) or canonical_name(module) not in (new_module, "keras.objectives"):
        script.note(node, f"{node.value} is {new_module}.{new_name} in Keras 3.")
    else:
        script.edit(node, lambda new: new.with_changes(value=new_name))
