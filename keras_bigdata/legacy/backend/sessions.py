"""Sessions and graphs of TensorFlow 1, which apply their settings and do nothing else."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import keras

from keras_bigdata.legacy.backend.functions import Function
from keras_bigdata.legacy.backend.variables import get_value

_current: list[Any] = [None]
_has_warned: list[bool] = [False]


class NoOperation:
    """An operation without effect, such as the initialization of variables."""

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: variables are initialized when they are created."""


class Graph:
    """The only graph of a program, which has no effect."""

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Graph]:
        """Changes nothing."""
        yield self

    def finalize(self) -> None:
        """Does nothing."""

    def get_operations(self) -> list[Any]:
        """Raises an error: there are no operations to list."""
        raise NotImplementedError("Keras 3 has no graph of operations; look at model.layers.")


class Session:
    """A session: applies the settings of its `config` to TensorFlow, and computes tensors.

    Args:
        target: ignored.
        graph: ignored.
        config: a `ConfigProto`: memory growth, visible GPUs and numbers of threads are applied.
    """

    def __init__(self, target: str = "", graph: Any = None, config: Any = None) -> None:
        self.graph = Graph()
        problems = _apply(config)
        if not _has_warned[0]:
            _has_warned[0] = True
            warnings.warn(
                "Keras 3 has no sessions: remove them. Settings of the session's config were "
                "applied with tf.config" + (f", except {problems}." if problems else "."),
                stacklevel=2,
            )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Session]:
        """Changes nothing."""
        yield self

    def close(self) -> None:
        """Does nothing."""

    def run(self, fetches: Any, feed_dict: Any = None, **kwargs: Any) -> Any:
        """Returns the values of tensors; `feed_dict` holds the inputs of symbolic ones."""
        if isinstance(fetches, NoOperation) or fetches is None:
            return None
        wanted = list(fetches) if isinstance(fetches, list | tuple) else [fetches]
        wanted = [get_value(x) if _has_value(x) else x for x in wanted]
        if any(isinstance(x, keras.KerasTensor) for x in wanted):
            feed = dict(feed_dict or {})
            symbolic = [x for x in wanted if isinstance(x, keras.KerasTensor)]
            values = iter(Function(list(feed), symbolic, returns_list=True)(list(feed.values())))
            wanted = [next(values) if isinstance(x, keras.KerasTensor) else x for x in wanted]
        return wanted if isinstance(fetches, list | tuple) else wanted[0]


def forget() -> None:
    """Removes the session that was set, and makes the next session warn again."""
    _current[0], _has_warned[0] = None, False


def get_session() -> Session:
    """Returns the session that was set, or a new one."""
    if _current[0] is None:
        _current[0] = Session()
    return _current[0]  # type: ignore[no-any-return]


def set_session(session: Any) -> None:
    """Keeps a session for `get_session`."""
    _current[0] = session


def manual_variable_initialization(value: bool) -> None:
    """Does nothing: variables are always initialized."""


def _has_value(x: Any) -> bool:
    return not isinstance(x, keras.KerasTensor | NoOperation)


def _apply(config: Any) -> str:
    """Applies the settings of a `ConfigProto`. Returns those that could not be applied, as text."""
    if config is None:
        return ""
    import tensorflow as tf

    problems = []

    def attempt(name: str, apply: Any, *args: Any) -> None:
        try:
            apply(*args)
        except (RuntimeError, ValueError) as error:
            problems.append(f"{name} ({error})")

    gpus = tf.config.list_physical_devices("GPU")
    options = config.gpu_options
    if options.visible_device_list:
        chosen = [
            gpus[int(n)] for n in options.visible_device_list.split(",") if int(n) < len(gpus)
        ]
        attempt("visible_device_list", tf.config.set_visible_devices, chosen, "GPU")
        gpus = chosen
    if options.allow_growth:
        for gpu in gpus:
            attempt("allow_growth", tf.config.experimental.set_memory_growth, gpu, True)
    elif options.per_process_gpu_memory_fraction and gpus:
        problems.append(
            "per_process_gpu_memory_fraction (use tf.config.set_logical_device_configuration with "
            "a memory limit)"
        )
    for name in ("intra_op_parallelism_threads", "inter_op_parallelism_threads"):
        if getattr(config, name):
            attempt(name, getattr(tf.config.threading, f"set_{name}"), getattr(config, name))
    return ", ".join(problems)
