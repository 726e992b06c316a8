"""Lists of callbacks for `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from typing import Any

import keras


def as_list(callbacks: Any) -> list[Any]:
    """Returns the callbacks of an argument: `None`, one callback or several."""
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def progress_bar(verbose: Any, user_callbacks: list[Any]) -> list[Any]:
    """Returns a progress bar to put before `MetricAliases`, so that it shows each metric once."""
    has_own = any(isinstance(one, keras.callbacks.ProgbarLogger) for one in user_callbacks)
    if not verbose or has_own:
        return []
    bar = keras.callbacks.ProgbarLogger()
    bar.async_safe = True  # like the progress bar that Keras adds itself
    return [bar]


def callback_list(
    model: Any, callbacks: list[Any], *, add_history: bool = False, **params: Any
) -> Any:
    """Returns a `CallbackList` without a progress bar of its own.

    Args:
        model: the model.
        callbacks: the callbacks, in their order.
        add_history: whether to add the History.
        **params: what the callbacks find in `params`.
    """
    return keras.callbacks.CallbackList(
        callbacks, add_history=add_history, add_progbar=False, model=model, **params
    )
