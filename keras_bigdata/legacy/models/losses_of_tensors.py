"""Losses and metrics that use symbolic tensors of the model.

An example is the loss of a variational autoencoder:

```python
def vae_loss(x, x_decoded):
    kl = -0.5 * K.sum(1 + z_log_var - K.square(z_mean) - K.exp(z_log_var), axis=-1)
    return binary_crossentropy(x, x_decoded) + kl
```

Keras 1 and 2 called such a function once, with placeholders. Keras 3 calls it with the arrays of
each batch, which cannot be combined with the symbolic `z_mean`. Here the model computes these
tensors together with its outputs, and a copy of the function receives them under their names.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import functional_class
from keras_bigdata.legacy.function_code import outer_values
from keras_bigdata.legacy.patching import wrap

# Model -> the tensors that its losses need. Attributes of a model would be saved with it.
_needed: weakref.WeakKeyDictionary[Any, _NeededTensors] = weakref.WeakKeyDictionary()


class _NeededTensors:
    """The symbolic tensors that losses and metrics of a model use.

    Attributes:
        values: `id` of each symbolic tensor -> its value for the last batch.
    """

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}
        self._symbolic: dict[int, Any] = {}
        self._model: Any = None

    def add(self, tensors: list[Any]) -> None:
        """Adds symbolic tensors."""
        self._symbolic |= {id(tensor): tensor for tensor in tensors}
        self._model = None

    def call(self, model: Any, inputs: Any, arguments: Mapping[str, Any]) -> Any:
        """Returns the outputs of the model; computes the tensors with them."""
        if self._model is None:
            outputs = _one_or_list(model.outputs)
            tensors = list(self._symbolic.values())
            self._model = keras.Model(_one_or_list(model.inputs), [outputs, tensors])
        results, values = self._model(inputs, **arguments)
        self.values = dict(zip(self._symbolic, values, strict=True))
        return results


def _one_or_list(tensors: Any) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)


def install() -> None:
    """Makes functional models compute the tensors that their losses use."""
    functional = functional_class()
    if functional is not None:
        wrap(functional, "call", _computing_tensors)


def with_tensors(model: Any, functions: Any) -> Any:
    """Returns losses or metrics that may use symbolic tensors of a model.

    Args:
        model: the model that is compiled with them.
        functions: an argument of `compile`; what is not a Python function stays as it is.
    """
    if isinstance(functions, (list, tuple)):
        return type(functions)(with_tensors(model, each) for each in functions)
    if isinstance(functions, dict):
        return {name: with_tensors(model, each) for name, each in functions.items()}
    if isinstance(functions, functools.partial):
        arguments = (functions.args, functions.keywords)
        tensors = [
            each for each in keras.tree.flatten(arguments) if isinstance(each, keras.KerasTensor)
        ]
    elif isinstance(functions, types.FunctionType):
        tensors = _used_tensors(functions)
    else:
        return functions
    return _bound(model, functions, tensors) if tensors else functions


def _bound(
    model: Any, function: types.FunctionType | functools.partial[Any], tensors: list[Any]
) -> Callable[..., Any]:
    names = ", ".join(sorted({tensor.name for tensor in tensors}))
    problem = _problem(model, tensors)
    needed = None
    if problem is None:
        needed = _needed.setdefault(model, _NeededTensors())
        needed.add(tensors)

    @functools.wraps(function)
    def function_of_values(y_true: Any, y_pred: Any) -> Any:
        if needed is None or not needed.values:
            raise ValueError(
                f"{getattr(function, '__name__', function)} uses symbolic tensors ({names}), "
                "which can be computed with a functional model only, from its inputs: "
                f"{problem or 'the model was not called before the loss'}. Build the model with "
                "keras.Model(inputs, outputs), from the inputs of these tensors."
            )
        if isinstance(function, functools.partial):
            args, keywords = _replaced((function.args, function.keywords), needed.values)
            return function.func(*args, y_true, y_pred, **keywords)
        return _with_values(function, needed.values, {})(y_true, y_pred)

    return function_of_values


def _problem(model: Any, tensors: list[Any]) -> str | None:
    """Returns why a model cannot compute tensors, or `None` if it can."""
    functional = functional_class()
    if functional is None or not isinstance(model, functional):
        return f"{type(model).__name__} is not one"
    try:
        keras.Model(model.inputs, tensors)
    except ValueError as error:
        return str(error)
    return None


def _computing_tensors(call: Any) -> Any:
    @functools.wraps(call)
    def call_and_compute(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        needed = _needed.get(self)
        is_symbolic = any(isinstance(t, keras.KerasTensor) for t in keras.tree.flatten(inputs))
        if needed is None or is_symbolic:
            return call(self, inputs, *args, **kwargs)
        arguments = dict(zip(("training", "mask"), args, strict=False)) | kwargs
        return needed.call(self, inputs, arguments)

    return call_and_compute


# ---- The tensors that a function uses


def _used_tensors(function: types.FunctionType) -> list[Any]:
    """Returns the symbolic tensors that a function and the functions that it calls use."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    pending = [function]
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        for value in outer_values(each).values():
            if isinstance(value, types.FunctionType):
                if value.__globals__ is function.__globals__:  # another one of the script
                    pending.append(value)
            else:
                found |= {id(tensor): tensor for tensor in _tensors_in(value)}
    return list(found.values())


def _tensors_in(value: Any) -> list[Any]:
    if isinstance(value, keras.KerasTensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [each for each in value if isinstance(each, keras.KerasTensor)]
    if isinstance(value, dict):
        return [each for each in value.values() if isinstance(each, keras.KerasTensor)]
    return []


def _replaced(structure: Any, values: Mapping[int, Any]) -> Any:
    return keras.tree.map_structure(lambda each: values.get(id(each), each), structure)


def _with_values(
    function: types.FunctionType, values: Mapping[int, Any], done: dict[int, types.FunctionType]
) -> types.FunctionType:
    """Returns a copy of a function for which symbolic tensors have their values."""
    if id(function) in done:
        return done[id(function)]
    names = dict(function.__globals__)
    cells = {name: types.CellType() for name in function.__code__.co_freevars}
    copied = types.FunctionType(
        function.__code__,
        names,
        function.__name__,
        function.__defaults__,
        tuple(cells.values()) if cells else None,
    )
    copied.__kwdefaults__ = function.__kwdefaults__
    done[id(function)] = copied
    for name, value in outer_values(function).items():
        new = value
        if isinstance(value, types.FunctionType):
            if value.__globals__ is function.__globals__:
                new = _with_values(value, values, done)
        elif _tensors_in(value):
            new = _replaced(value, values)
        if name in cells:
            cells[name].cell_contents = new
        else:
            names[name] = new
    return copied
