"""Anything that gives batches, run batch by batch."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.packing.shard_jobs import told

NOTHING_KEPT = "Nothing was kept."

_TAKEN = (
    "a generator, an iterator, an object with len() and [i] such as a keras.utils.PyDataset, "
    "or a tf.data.Dataset"
)


class BatchSource:
    """One way to run generators, iterators, iterables and what is read by index.

    Args:
        batches: what gives the batches.

    Attributes:
        kind: its class, for messages.
        length: batches of one pass, or `None` if only a run can tell.
        endless: whether it is known that a pass has no end.
        once: whether there can be only one pass.
    """

    def __init__(self, batches: Any) -> None:
        _refuse_what_is_no_source(batches)
        self._batches = batches
        self.kind = type(batches).__name__
        self.length = _length(batches)
        self._by_index = hasattr(batches, "__getitem__") and (
            self.length is not None or hasattr(type(batches), "num_batches")
        )
        self.once = not self._by_index and hasattr(batches, "__next__")
        self.endless = self.length is None if self._by_index else _is_endless(batches)

    def check(self, steps: int | None, variants: int) -> None:
        """Refuses what could never be run to its end."""
        if steps is not None:
            return
        if self.endless:
            hint = f" (one pass is {self.length})" if self.length else ""
            raise ValueError(
                f"a {self.kind} that never ends needs `steps`, the number of batches to "
                f"store{hint}. Received: steps=None"
            )
        if self.once and variants > 1:
            raise ValueError(
                f"a {self.kind} can be run only once, so `variants` of it need `steps`, the "
                f"number of batches of each. Received: variants={variants}, steps=None"
            )

    def run(self, steps: int | None, variants: int) -> Iterator[tuple[int, int, Any]]:
        """Yields `(variant, batch number, batch)`.

        With `steps` the passes make one stream, cut into variants of that many batches; without,
        each variant is one pass. No batch is asked for that is not needed.

        Raises:
            PackError: if the source raises, or ends before all is there.
        """
        stream = self._stream()
        for variant in range(variants):
            batches = self._pass(variant) if steps is None else itertools.islice(stream, steps)
            number = 0
            while True:
                where = self.where(variant, number, variants)
                try:
                    batch = next(batches)
                except StopIteration:
                    break
                except MemoryError:
                    raise
                except Exception as error:
                    raise PackError(
                        f"{where}: {self.kind} raised {told(error)}. {NOTHING_KEPT}"
                    ) from error
                yield variant, number, batch
                number += 1
            if steps is not None and number < steps:
                of = f" of each of {variants} variants" if variants > 1 else ""
                raise PackError(
                    f"{where}: {self.kind} ended here, after {variant * steps + number} batches, "
                    f"but steps={steps}{of} were asked for. {NOTHING_KEPT} Pass what there is"
                    + (", or leave `steps` out to store all." if variants == 1 else ".")
                )

    @property
    def classes(self) -> list[str] | None:
        """The names of the classes, from the `class_indices` that Keras's image iterators have."""
        numbers = getattr(self._batches, "class_indices", None)
        if not isinstance(numbers, Mapping) or not numbers:
            return None
        names = sorted(numbers, key=lambda name: int(numbers[name]))
        in_order = [numbers[name] for name in names] == list(range(len(names)))
        return [str(name) for name in names] if in_order else None

    @staticmethod
    def where(variant: int, number: int, variants: int) -> str:
        """How an error names a batch."""
        return f"batch {number} (from 0)" + (f" of variant {variant}" if variants > 1 else "")

    def _stream(self) -> Iterator[Any]:
        """Pass after pass, without an end unless there is only one."""
        for number in itertools.count():
            empty = True
            for batch in self._pass(number):
                empty = False
                yield batch
            if self.once or empty:
                return

    def _pass(self, number: int) -> Iterator[Any]:
        """One pass. `yield from` would close a generator that its owner may want to go on with."""
        if number:
            self._call("on_epoch_end")
        self._call("on_epoch_begin")
        if self._by_index:
            length = _length(self._batches)  # may change at an epoch's end
            for index in itertools.count() if length is None else range(length):
                yield self._batches[index]
        elif hasattr(self._batches, "__iter__") or hasattr(self._batches, "__getitem__"):
            for batch in self._batches:
                yield batch
        else:
            while True:
                try:
                    batch = next(self._batches)
                except StopIteration:
                    return
                yield batch

    def _call(self, hook: str) -> None:
        getattr(self._batches, hook, lambda: None)()


def _refuse_what_is_no_source(batches: Any) -> None:
    kind = type(batches).__name__
    if isinstance(batches, Mapping) or hasattr(batches, "__array__"):
        raise TypeError(
            f"`batches` must be {_TAKEN}. For data in memory there is pack(Arrays(x=x, labels=y), "
            f"directory). Received: an object of type {kind}"
        )
    if isinstance(batches, tuple) and any(hasattr(part, "__array__") for part in batches):
        raise TypeError(
            f"`batches` must be {_TAKEN}. For arrays (x, y) in memory there is pack(Arrays(x=x, "
            "labels=y), directory). Received: a tuple of arrays"
        )
    runs = any(hasattr(batches, name) for name in ("__iter__", "__next__", "__getitem__"))
    if not runs and callable(batches):
        raise TypeError(
            f"`batches` must be {_TAKEN}. Received: {batches!r}, a function: pass what it returns"
        )
    if not runs or isinstance(batches, str | bytes | type):
        raise TypeError(f"`batches` must be {_TAKEN}. Received: {batches!r:.80} of type {kind}")


def _length(batches: Any) -> int | None:
    """Batches of one pass, as far as the source says so."""
    try:
        return len(batches)
    except (TypeError, AttributeError, NotImplementedError) as error:
        if hasattr(type(batches), "__len__") and hasattr(batches, "__getitem__"):
            raise TypeError(
                f"len() of the {type(batches).__name__} fails: {error}. It must be an integer, the "
                "number of batches"
            ) from error
    with contextlib.suppress(NotImplementedError):  # a PyDataset that does not say
        number = getattr(batches, "num_batches", None)
        return number if isinstance(number, int) else None
    return None


def _is_endless(batches: Any) -> bool:
    """Whether it is sure that iterating would never end."""
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
        return bool(parts and parts[0]) and all(_never_stops(part) for part in parts[0])
    if hasattr(batches, "cardinality"):
        return int(batches.cardinality()) == -1  # tf.data.INFINITE_CARDINALITY
    return False


def _never_stops(iterator: Any) -> bool:
    # Keras's image iterators have a length, and begin anew after it.
    begins_anew = all(hasattr(iterator, name) for name in ("__len__", "__getitem__", "__next__"))
    return begins_anew or _is_endless(iterator)
