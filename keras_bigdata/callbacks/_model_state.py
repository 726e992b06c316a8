"""Every variable of a training: of the model with its seeds, of optimizers and of metrics."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

Values: TypeAlias = "dict[str, list[npt.NDArray[Any]]]"


def variables(model: Any) -> dict[str, list[Any]]:
    """The variables by what they belong to."""
    found = {"model": list(model.variables), "metrics": list(model.metrics_variables)}
    # A model with a `train_step` of its own may have more optimizers than that of `compile`.
    optimizers = {id(o): o for o in [model.optimizer, *_own_optimizers(model)] if o is not None}
    found["optimizer"] = [v for optimizer in optimizers.values() for v in optimizer.variables]
    return found


def wait_for_step(model: Any) -> None:
    """Waits until the device has done the steps that were given to it."""
    for variable in model.variables[:1]:
        keras.ops.convert_to_numpy(variable)


def read(model: Any) -> Values:
    """All values, to be copied before the next step.

    On the CPU, arrays may share memory with variables, and JAX gives that memory away.
    """
    return {
        kind: [np.asarray(keras.ops.convert_to_numpy(v)) for v in members]
        for kind, members in variables(model).items()
    }


def assign(model: Any, values: Values) -> None:
    """Sets all variables."""
    for kind, members in variables(model).items():
        for variable, value in zip(members, values[kind], strict=True):
            variable.assign(value)


def description(model: Any) -> dict[str, list[dict[str, Any]]]:
    """Name, shape and dtype of all variables."""
    return {
        kind: [
            {
                "name": v.path,
                "shape": list(v.shape),
                "dtype": keras.backend.standardize_dtype(v.dtype),
            }
            for v in members
        ]
        for kind, members in variables(model).items()
    }


def difference(saved: dict[str, Any], here: dict[str, Any]) -> str | None:
    """Says where two descriptions differ, with both values; `None` if they do not.

    Names are compared without the numbers that Keras counts up within a process.
    """
    for kind in ("model", "optimizer", "metrics"):
        theirs, ours = saved[kind], here[kind]
        for number, (left, right) in enumerate(zip(theirs, ours, strict=False)):
            if _plain(left) != _plain(right):
                both = f"{_text(left)} in it and {_text(right)} here"
                return f"variable {number} of the {kind} is {both}"
        if len(theirs) != len(ours):
            return f"the {kind} has {len(theirs)} variables in it and {len(ours)} here"
    return None


def _own_optimizers(model: Any) -> list[Any]:
    return [v for v in vars(model).values() if isinstance(v, keras.optimizers.Optimizer)]


def _plain(entry: dict[str, Any]) -> tuple[str, list[int], str]:
    return re.sub(r"_\d+(?=[_/]|$)", "", entry["name"]), entry["shape"], entry["dtype"]


def _text(entry: dict[str, Any]) -> str:
    return f"{entry['name']!r} of shape {tuple(entry['shape'])} and dtype {entry['dtype']}"
