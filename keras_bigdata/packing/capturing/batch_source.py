"""Runs any object that produces batches, batch by batch."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.packing.samples.samples import describe_error

NOTHING_KEPT = "Nothing was kept."

_ACCEPTED = (
    "a generator, an iterator, an object with len() and [i] such as a keras.utils.PyDataset, "
    "or a tf.data.Dataset"
)


class BatchSource:
    """Runs generators, iterators, iterables and objects read by index through one interface.

    Args:
        batches: the object that produces the batches.

    Attributes:
        kind: its class, for messages.
        length: batches of one pass, or `None` if it is unknown before the end.
        is_endless: whether a pass is known to have no end.
        is_single_pass: whether it can be run only once.

    Raises:
        TypeError: if the object does not produce batches.
    """

    def __init__(self, batches: Any) -> None:
        _check_type(batches)
        self._batches = batches
        self.kind = type(batches).__name__
        self.length = _length(batches)
        self._by_index = hasattr(batches, "__getitem__") and (
            self.length is not None or hasattr(type(batches), "num_batches")
        )
        self.is_single_pass = not self._by_index and hasattr(batches, "__next__")
        self.is_endless = self.length is None if self._by_index else _is_endless(batches)

    def check_arguments(self, steps: int | None, variants: int) -> None:
        """Checks that a run with these arguments can be completed.

        Raises:
            ValueError: if it would never end, or would need a second pass that does not exist.
        """
        if steps is not None:
            return
        if self.is_endless:
            hint = f" (one pass is {self.length})" if self.length else ""
            raise ValueError(
                f"a {self.kind} that never ends needs `steps`, the number of batches to "
                f"store{hint}. Received: steps=None"
            )
        if self.is_single_pass and variants > 1:
            raise ValueError(
                f"a {self.kind} can be run only once, so `variants` of it need `steps`, the "
                f"number of batches of each. Received: variants={variants}, steps=None"
            )

    def run(self, steps: int | None, variants: int) -> Iterator[tuple[int, int, Any]]:
        """Yields `(variant, batch number, batch)`.

        With `steps` the passes form one stream, cut into variants of that many batches; without
        `steps` each variant is one pass. No batch is taken that is not needed.

        Raises:
            PackError: if the object raises an exception, or ends before `steps` batches.
        """
        stream = self._stream()
        for variant in range(variants):
            batches = self._pass(variant) if steps is None else itertools.islice(stream, steps)
            number = 0
            while True:
                place = self.describe_place(variant, number, variants)
                try:
                    batch = next(batches)
                except StopIteration:
                    break
                except MemoryError:
                    raise
                except Exception as error:
                    raise PackError(
                        f"{place}: {self.kind} raised {describe_error(error)}. {NOTHING_KEPT}"
                    ) from error
                yield variant, number, batch
                number += 1
            if steps is not None and number < steps:
                of_each = f" of each of {variants} variants" if variants > 1 else ""
                raise PackError(
                    f"{place}: {self.kind} ended here, after {variant * steps + number} batches. "
                    f"Received: steps={steps}{of_each}. {NOTHING_KEPT} Pass the number of batches "
                    "that exist" + (", or omit `steps` to store all." if variants == 1 else ".")
                )

    @property
    def classes(self) -> list[str] | None:
        """The names of the classes, if the object has them.

        Keras's image iterators have `class_indices`, datasets of `image_dataset_from_directory`
        `class_names`; `map` and the like make datasets without them.
        """
        numbers = getattr(self._batches, "class_indices", None)
        if not isinstance(numbers, Mapping):
            listed = getattr(self._batches, "class_names", None)
            if not isinstance(listed, list | tuple) or not listed:
                return None
            return list(listed) if all(isinstance(name, str) for name in listed) else None
        names = sorted(numbers, key=lambda name: int(numbers[name]))
        in_order = [numbers[name] for name in names] == list(range(len(names)))
        return [str(name) for name in names] if in_order and names else None

    @staticmethod
    def describe_place(variant: int, number: int, variants: int) -> str:
        """Returns the name of a batch in messages."""
        return f"batch {number} (from 0)" + (f" of variant {variant}" if variants > 1 else "")

    def _stream(self) -> Iterator[Any]:
        """Yields the batches of pass after pass, without an end unless there is only one pass."""
        for number in itertools.count():
            empty = True
            for batch in self._pass(number):
                empty = False
                yield batch
            if self.is_single_pass or empty:
                return

    def _pass(self, number: int) -> Iterator[Any]:
        """Yields the batches of one pass."""
        if number:
            self._call_hook("on_epoch_end")
        self._call_hook("on_epoch_begin")
        if self._by_index:
            length = _length(self._batches)  # may change at the end of an epoch
            for index in itertools.count() if length is None else range(length):
                yield self._batches[index]
        elif hasattr(self._batches, "__iter__") or hasattr(self._batches, "__getitem__"):
            # `yield from` would close a generator that its owner may want to continue with.
            for batch in self._batches:
                yield batch
        else:
            while True:
                try:
                    batch = next(self._batches)
                except StopIteration:
                    return
                yield batch

    def _call_hook(self, name: str) -> None:
        getattr(self._batches, name, lambda: None)()


def _check_type(batches: Any) -> None:
    kind = type(batches).__name__
    if isinstance(batches, Mapping) or hasattr(batches, "__array__"):
        raise TypeError(
            f"`batches` must be {_ACCEPTED}. Use pack(Arrays(x=x, labels=y), directory) if the "
            f"data are in memory. Received: an object of type {kind}"
        )
    if isinstance(batches, tuple) and any(hasattr(part, "__array__") for part in batches):
        raise TypeError(
            f"`batches` must be {_ACCEPTED}. Use pack(Arrays(x=x, labels=y), directory) if the "
            "arrays (x, y) are in memory. Received: a tuple of arrays"
        )
    runs = any(hasattr(batches, name) for name in ("__iter__", "__next__", "__getitem__"))
    if not runs and callable(batches):
        raise TypeError(
            f"`batches` must be {_ACCEPTED}. Received: {batches!r}, a function: pass what it "
            "returns"
        )
    if not runs or isinstance(batches, str | bytes | type):
        raise TypeError(f"`batches` must be {_ACCEPTED}. Received: {batches!r:.80} of type {kind}")


def _length(batches: Any) -> int | None:
    """Returns the number of batches of one pass; `None` if it is unknown."""
    try:
        return len(batches)
    except (TypeError, AttributeError, NotImplementedError) as error:
        if hasattr(type(batches), "__len__") and hasattr(batches, "__getitem__"):
            raise TypeError(
                f"len() of the {type(batches).__name__} fails: {error}. It must be an integer, the "
                "number of batches"
            ) from error
    with contextlib.suppress(NotImplementedError):  # raised by a PyDataset without a length
        number = getattr(batches, "num_batches", None)
        return number if isinstance(number, int) else None
    return None


def _is_endless(batches: Any) -> bool:
    """Returns whether it is certain that iterating never ends."""
    if isinstance(batches, itertools.cycle | itertools.count):
        return True
    if isinstance(batches, itertools.repeat):
        try:
            batches.__length_hint__()
        except TypeError:
            return True
        return False
    if isinstance(batches, zip):
        parts = batches.__reduce__()[1:2]
        return bool(parts and parts[0]) and all(_restarts(part) for part in parts[0])
    if hasattr(batches, "cardinality"):
        return int(batches.cardinality()) == -1  # tf.data.INFINITE_CARDINALITY
    return False


def _restarts(iterator: Any) -> bool:
    """Returns whether an iterator of a `zip` never ends."""
    # Keras's image iterators have a length, and start again after it.
    is_keras_iterator = all(
        hasattr(iterator, name) for name in ("__len__", "__getitem__", "__next__")
    )
    return is_keras_iterator or _is_endless(iterator)
