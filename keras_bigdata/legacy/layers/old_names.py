"""Names of layer classes that only scripts for Keras 1 use, such as `Convolution2D`."""

from __future__ import annotations

from typing import Any

from keras_bigdata.legacy.layers.arguments import convert_call


class OldName:
    """Stands for a class of Keras 3 under a name of Keras 1.

    A call takes the arguments of Keras 1. Everything else is as with the class: attributes,
    `isinstance`, and subclasses.

    Args:
        name: the old name.
        target: the class.
    """

    def __init__(self, name: str, target: type) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = f"`{target.__name__}` with the arguments of Keras 1."
        self._target = target

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a layer."""
        new_args, new_kwargs = convert_call(self.__name__, args, kwargs, is_old_name=True)
        return self._target(*new_args, **new_kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (self._target,)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._target)

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._target)

    def __repr__(self) -> str:
        return f"<{self.__name__}: {self._target.__name__} with the arguments of Keras 1>"
