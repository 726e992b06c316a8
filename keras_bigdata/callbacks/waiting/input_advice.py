"""Which stage of the input limits a training, and what would help."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Share of an epoch up to which waiting is not worth a change.
NEGLIGIBLE = 0.05

# A batch is small if handing it over takes as long as copying it: 0.3 ms, 1 MB.
_SMALL_BATCH_BYTES = 2**20
_SHORT_STEP = 0.003

# Any disk reads a batch of this size in less time than handing it over takes: 0.3 ms at 100 MB/s.
_TINY_BATCH_BYTES = 2**15

# Share of the waiting that the stages have to explain. 480 rows of 20 bytes, in batches of one
# row, kept JAX waiting for 25 % of an epoch of 0.2 s, in which all stages took 0.00 s.
_EXPLAINED = 0.5

# Share of an epoch that a transform has to compute before it can slow down the steps of `fit`.
_LARGE_TRANSFORM = 0.3


@dataclass(frozen=True, slots=True)
class InputSettings:
    """The settings of the input that the advice depends on.

    Args:
        workers: number of threads or processes that load.
        in_processes: whether they are processes.
        has_transform: whether there is a transform.
        threads: number of threads that decode and transform.
        cores: number of CPU cores that this process may use.
        is_remote: whether the shards are behind URLs.
        has_cache: whether these are kept in a cache.
        has_fast_jpeg: whether the fast JPEG decoder is installed.
        change: the transformation after `as_dataset()` that hides the waiting, or `None`.
    """

    workers: int
    in_processes: bool
    has_transform: bool
    threads: int
    cores: int
    is_remote: bool
    has_cache: bool
    has_fast_jpeg: bool
    change: str | None = None


def find_limit(epoch: Mapping[str, Any], settings: InputSettings, *, gil_is_held: bool) -> str:
    """Returns what limits an epoch: `"model"`, `"start"`, `"delivery"`, or a stage of the input.

    The stages are `"read"`, `"decode"`, `"transform"` and `"conversion"`. A stage limits if its
    threads are busy for the largest share of the epoch. If all stages together do not explain the
    waiting, it is the delivery of batches from one thread to another.

    Args:
        epoch: a record of an epoch (see `InputReport`).
        settings: how it was loaded.
        gil_is_held: whether threads have waited for the GIL.
    """
    if epoch["wait"] is None:
        return "model"
    if epoch["wait"] <= NEGLIGIBLE:
        return "transform" if _slows_steps(epoch, settings, gil_is_held) else "model"
    if epoch["first_batch"] > 0.5 * epoch["wait"] * epoch["seconds"]:
        return "start"
    stages = {name: epoch[name] for name in ("read", "decode", "transform")}
    if settings.workers and not settings.in_processes:
        threads = max(1, min(settings.threads, settings.cores))
        in_threads = (stages["decode"] + stages["transform"]) / threads
        share = stages["decode"] / max(1e-9, stages["decode"] + stages["transform"])
        slower = "decode" if share > 0.5 else "transform"
        stages = {"read": stages["read"], slower: in_threads}
    elif settings.in_processes:
        stages = {name: seconds / settings.workers for name, seconds in stages.items()}
    stages["conversion"] = epoch["conversion"]
    busiest = max(stages, key=stages.__getitem__)
    return "delivery" if _is_delivery(epoch, settings, busiest) else busiest


def _is_delivery(epoch: Mapping[str, Any], settings: InputSettings, busiest: str) -> bool:
    """Returns whether loading was not busy while training waited."""
    waiting = epoch["wait"] * epoch["seconds"] - epoch["first_batch"]
    if _busy_seconds(epoch) < _EXPLAINED * waiting:
        return True
    # The time of reading includes waiting for the GIL, which `fit` holds most of a short step.
    is_tiny = _step_seconds(epoch) < _SHORT_STEP and _batch_bytes(epoch) < _TINY_BATCH_BYTES
    return busiest == "read" and is_tiny and not settings.is_remote


def _slows_steps(epoch: Mapping[str, Any], settings: InputSettings, gil_is_held: bool) -> bool:
    """Returns whether the transform takes the GIL from `fit`, whose steps then take longer.

    Seen on TensorFlow, with a transform that computes for 30 ms a batch in Python code: training
    waited for data in less than 5 % of the epoch.
    """
    in_threads = settings.workers > 0 and not settings.in_processes
    is_large = bool(epoch["transform_cpu"] > _LARGE_TRANSFORM * epoch["seconds"])
    return gil_is_held and in_threads and is_large


def advice(
    epoch: Mapping[str, Any], settings: InputSettings, limit: str, *, gil_is_held: bool
) -> str:
    """Returns one sentence or two about an epoch.

    Args:
        epoch: a record of an epoch (see `InputReport`).
        settings: how it was loaded.
        limit: what `find_limit` returned.
        gil_is_held: whether threads have waited for the GIL.
    """
    wait = epoch["wait"]
    if wait is None:
        unknown = "It is not known how long training waited for data"
        if settings.change:
            return (
                f"{unknown}: `{settings.change}` follows as_dataset(), and its time cannot be "
                "measured. Use the argument `transform` of the sequence instead."
            )
        return f"{unknown}: training has used batches that the sequence did not deliver to it."
    waited = f"waited {wait:.0%} of the epoch for data"
    step = _step_seconds(epoch)
    rows = epoch["rows"] / max(1, epoch["batches"])
    if limit == "model":
        if step < _SHORT_STEP and _batch_bytes(epoch) < _SMALL_BATCH_BYTES:
            return (
                f"{waited}. A step takes {1e3 * step:.1f} ms for {rows:.0f} rows, mostly the cost "
                "of the call: a larger `batch_size`, or compile(steps_per_execution=...), would "
                "help."
            )
        return f"{waited}; the model is the limit."
    if wait <= NEGLIGIBLE and limit == "transform":
        share = epoch["transform_cpu"] / epoch["seconds"]
        return (
            f"{waited}, but `transform` runs for {share:.0%} of it in threads of this process, and "
            "steps of `fit` wait for the GIL: use_multiprocessing=True would help."
        )
    is_small_delivery = limit == "delivery" and _batch_bytes(epoch) < _SMALL_BATCH_BYTES
    if settings.workers or limit in ("start", "conversion") or is_small_delivery:
        reason = _REASONS[limit](epoch, settings, gil_is_held)
    else:
        reason = (
            "workers=0 loads each batch only when it is requested: more `workers` load the next "
            "ones while the model trains."
        )
    return f"{waited}; {reason} Faster input could make this epoch at most {_gain(wait)}."


def advice_kind(text: str) -> str:
    """Returns a piece of advice without its numbers, to compare it with that of another epoch."""
    return re.sub(r"[0-9][0-9.,]*%?", "", text.partition(" Faster input could")[0])


def _gain(wait: float) -> str:
    if wait < 0.5:
        return f"{wait / (1 - wait):.0%} faster"
    return f"{1 / max(1 - wait, 1e-3):.1f} times as fast"


def _busy_seconds(epoch: Mapping[str, Any]) -> float:
    return float(sum(epoch[name] for name in ("read", "decode", "transform", "conversion")))


def _step_seconds(epoch: Mapping[str, Any]) -> float:
    return float(epoch["seconds"] / max(1, epoch["batches"]))


def _batch_bytes(epoch: Mapping[str, Any]) -> float:
    return float(epoch["read_bytes"] / max(1, epoch["batches"]))


def _start(epoch: Mapping[str, Any], settings: InputSettings, gil_is_held: bool) -> str:
    return (
        f"most of it ({epoch['first_batch']:.2f} s) before the first batch: longer epochs would "
        "help."
    )


def _read(epoch: Mapping[str, Any], settings: InputSettings, gil_is_held: bool) -> str:
    rate = epoch["read_bytes"] / epoch["seconds"] / 1e6
    if settings.is_remote and not settings.has_cache:
        return (
            f"downloading is the limit ({rate:,.0f} MB/s): Shards(url, cache=directory) would read "
            "later epochs from a local disk."
        )
    if settings.is_remote:
        return (
            f"downloading is the limit ({rate:,.0f} MB/s). What is in the cache is not downloaded "
            "again: if later epochs wait too, a larger `cache_bytes` would help."
        )
    return (
        f"reading is the limit ({rate:,.0f} MB/s): a faster disk, more memory for the page cache, "
        'or smaller shards (pack images with store="jpeg") would help.'
    )


def _decode(epoch: Mapping[str, Any], settings: InputSettings, gil_is_held: bool) -> str:
    if not settings.has_fast_jpeg:
        return "decoding is the limit: pip install 'keras_bigdata[jpeg]' decodes JPEG faster."
    if settings.threads < settings.cores:
        return f"decoding is the limit: workers={settings.cores} would help."
    return (
        "decoding is the limit, with all cores in use: images packed at the size of the batches, "
        'or with store="pixels", would help.'
    )


def _transform(epoch: Mapping[str, Any], settings: InputSettings, gil_is_held: bool) -> str:
    limit = "`transform` is the limit"
    if settings.in_processes:
        if settings.workers < settings.cores:
            return f"{limit}: workers={settings.cores} would use all cores."
        return f"{limit}, with all cores in use: faster code, or packing its result, would help."
    busy = epoch["transform_cpu"] / max(1e-9, epoch["transform"])
    # Threads that hold the GIL in turn are busy for their part of the time.
    if gil_is_held and busy > 0.25 / max(1, settings.workers):
        return f"{limit}, and it holds the GIL: use_multiprocessing=True would help."
    if busy < 0.5:
        return (
            f"{limit}, and it waits most of the time, such as for a disk: "
            f"workers={2 * max(settings.workers, settings.cores)} would let more of them wait at "
            "the same time."
        )
    if settings.workers < settings.cores:
        return f"{limit}: workers={settings.cores} would use all cores."
    return f"{limit}, with all cores in use: faster code, or packing its result, would help."


def _conversion(epoch: Mapping[str, Any], settings: InputSettings, gil_is_held: bool) -> str:
    rows = epoch["rows"] / max(1, epoch["batches"])
    if _batch_bytes(epoch) < _SMALL_BATCH_BYTES:
        return (
            f"`fit` takes longer to receive a batch of {rows:.0f} rows than to train on it: a "
            "larger `batch_size` would help, or as_dataset()."
        )
    return "`fit` converts each batch: train.as_dataset() passes them on without a copy."


def _delivery(epoch: Mapping[str, Any], settings: InputSettings, gil_is_held: bool) -> str:
    rows = epoch["rows"] / max(1, epoch["batches"])
    if _batch_bytes(epoch) < _SMALL_BATCH_BYTES:
        return (
            f"a batch of {rows:.0f} rows takes longer to deliver to `fit` than to load: a larger "
            "`batch_size` would help."
        )
    return (
        f"loading was busy for {_busy_seconds(epoch):.2f} s of the epoch, which does not explain "
        "it: other threads of this process, or other programs, may take the time of its threads."
    )


_REASONS = {
    "start": _start,
    "read": _read,
    "decode": _decode,
    "transform": _transform,
    "conversion": _conversion,
    "delivery": _delivery,
}
