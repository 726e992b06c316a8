"""Describes a sequence for people: one line, and the values that a notebook shows."""

from __future__ import annotations

from typing import Any

from keras_bigdata.loading.batches.batch_loader import LoaderConfig
from keras_bigdata.loading.epochs.epoch_server import EpochServer
from keras_bigdata.representation import format_count, shorten


def summarize(server: EpochServer) -> str:
    """Returns directory, rows, batch size and order in one line."""
    config = server.config
    order = f"shuffle={config.shuffle!r}"
    if config.shuffle == "window":
        order = f"window of {config.window_shards}"
    if config.balance is not None:
        order += f", balance={config.balance.field!r}"
    if config.decode.bucket is not None:
        order += f", bucket={config.decode.bucket!r}"
    rows = f"{server.num_samples:,} rows"
    if config.selection is not None:
        rows = f"{server.num_samples:,} of {format_count(config.index.num_samples, 'row')}"
    shards = format_count(len(config.index), "shard")
    described = [f"{rows} in {shards}", f"batch {config.batch_size}", order, describe_part(config)]
    return f"{shorten(config.index.directory)!r}: {', '.join(filter(None, described))}"


def describe_part(config: LoaderConfig) -> str:
    """Returns the argument `part` as in a call; an empty string if there is one process."""
    part = config.part
    return f"part=({part.rank}, {part.size})" if part.size > 1 else ""


def describe(server: EpochServer) -> dict[str, Any]:
    """Returns the values that a notebook shows of a sequence, by name."""
    config = server.config
    fields = [str(config.index.fields[name]) for name in config.fields]
    return {
        "directory": config.index.directory,
        "selection": config.selection and shorten(config.selection.description),
        "rows per pass": f"{server.num_samples:,}",
        "batches per epoch": f"{server.length:,} of {config.batch_size:,} rows",
        "part of each batch": describe_part(config) or None,
        "epoch": server.state.epoch,
        "order": f"shuffle={config.shuffle!r}, window_shards={config.window_shards}, "
        f"seed={config.seed}, last_batch={config.last_batch!r}",
        "class weights": server.class_weights and repr(server.class_weights),
        "balance": config.balance and f"the classes of {config.balance.field!r}, evenly",
        **{
            name: str(value).removeprefix("{").removesuffix("}")
            for name, value in config.decode.identity().items()
        },
        "fields": fields,
        **server.roles.to_json(),
        "transform": config.transform and getattr(config.transform, "__qualname__", "a callable"),
        "skipped shards": len(server.corrupt_shards.found()) or None,
    }
