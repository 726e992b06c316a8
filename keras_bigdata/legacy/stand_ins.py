"""Stand-ins for removed classes and functions, which raise an explanation when they are used."""

from __future__ import annotations

from typing import Any

_REMOVED_IN_KERAS_3 = "was removed from Keras 3, and there is no stand-in for it."


class _Explaining(type):
    """Classes that cannot be used: they raise an error that says what to use instead."""

    explanation: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(cls.explanation)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"{cls.explanation} (attribute {name!r})")

    def __repr__(cls) -> str:
        return f"<removed: {cls.explanation}>"


def explaining(name: str, advice: str = "") -> Any:
    """Returns a stand-in that can be imported, and raises an error when it is used.

    Args:
        name: the full name of what was removed.
        advice: follows the name in the message. Defaults to the sentence that it was removed.
    """
    explanation = f"{name} {advice or _REMOVED_IN_KERAS_3}"

    def refuse(cls: Any, /, **kwargs: Any) -> None:
        raise NotImplementedError(explanation)

    last = name.rpartition(".")[2]
    body = {"explanation": explanation, "__init_subclass__": classmethod(refuse)}
    return _Explaining(last, (), {**body, "__module__": __name__})


def is_explaining(value: Any) -> bool:
    """Whether a value is a stand-in of `explaining`."""
    return isinstance(value, _Explaining)
