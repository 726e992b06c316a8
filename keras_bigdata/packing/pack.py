"""`pack`: any source of samples -> shards and their index."""

from __future__ import annotations

import json
import operator
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from keras_bigdata.errors import CorruptShardError, PackError, ShardError
from keras_bigdata.packing.fingerprint import check_arguments, describe_call
from keras_bigdata.packing.plan import Rows, cut, shuffled_rows
from keras_bigdata.packing.resume_state import Record, begin, claim, differences, finish
from keras_bigdata.packing.shard_jobs import (
    CONTINUE,
    SKIP_HINT,
    Augment,
    Recipe,
    augment_row,
    make_all,
    read_row,
)
from keras_bigdata.packing.sources.arrays import default_roles
from keras_bigdata.packing.sources.images import quiet_pillow
from keras_bigdata.packing.sources.labels import resolve_names
from keras_bigdata.shards.class_counts import add_counts
from keras_bigdata.shards.index import INDEX_NAME, UNFINISHED, Field, ShardIndex
from keras_bigdata.shards.roles import Roles

# Without `shard_samples`: large enough to be read at the disk's full speed, and 6 of them, the
# window that rows are mixed in, fit in memory ...
SHARD_BYTES = 64 * 1024**2
# ... but a small set makes several, for several workers to write, of at least that size.
SMALL_SHARD_BYTES = 4 * 1024**2
FEW_SHARDS = 16

# Rows that an error or a summary names.
_SHOWN = 10


def pack(
    source: Any,
    directory: str | os.PathLike[str],
    *,
    shard_samples: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    variants: int = 1,
    augment: Augment | None = None,
    workers: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> ShardIndex:
    """Reads every sample of a source once and writes them as shards, in parallel.

    Each shard is written whole or not at all, the index last. A call that was stopped, by an
    error, a full disk or a kill, goes on where it was when it is made again, and ends with the
    same bytes as if it had not been stopped. A call that is done already returns at once. State is
    kept in `<directory>/.packing` meanwhile. Calls are the same if their arguments and rows are,
    `workers` and `on_error` aside. Compared are file names, labels, texts, arrays (of those over
    64 MiB, 64 rows) and the code of `augment`; not what is in the picture files, nor what `augment`
    calls: delete the directory if those have changed.

    The work is done by joblib: in threads for arrays and for up to 4,000 pictures, if there is
    no `augment`, else in processes; or in the backend chosen with `joblib.parallel_config` (Dask,
    Ray, Spark; the directory must then be shared). A script that packs in processes needs no
    `if __name__ == "__main__":`.

    A source is any object with `len(source)` and `source[i]`, a dict of arrays and numbers with
    the same names, dtypes and shapes in every row, that gives the same rows each time. It may
    have more:

    - `roles`: a dict such as `{"inputs": "x", "targets": "y"}`. Without it a field `labels` is
      the target and the others are inputs.
    - `classes`, `vocabulary`: lists for the index; `classes` may be a dict of field -> list.
    - `file(i)`: the file behind a row, for the list of rows left out.
    - `select(rows)`: a source of these rows only. Without it worker processes are sent the
      whole source, a few times each; large arrays in it travel as memory maps.
    - `fingerprint()`: a JSON dict that tells it from other sources. Without it class, length and
      first sample do.
    - `thread_rows`: up to how many rows the workers are to be threads. Without it they are
      processes.

    Args:
        source: `ImageTable`, `ImageFolder`, `Arrays` or an object of your own.
        directory: folder for the shards; made if missing. It must be empty or hold what the same
            call has left there.
        shard_samples: rows a shard; the last one may have fewer. Defaults to `None`: about 64 MiB,
            less if that makes fewer than 16 shards, but at least 4 MiB; all of equal length.
        shuffle: whether to mix all rows once, so that reading shards in order is fair. Defaults
            to `True`.
        seed: of that order and of `augment`. Defaults to `0`.
        variants: number of augmented copies of the data. Epoch e of a `ShardSequence` serves
            copy e modulo `variants`. Defaults to `1`.
        augment: function `(sample, rng) -> sample`, called once for each row and variant with a
            dict of arrays (its own, to change as it likes) and a `numpy.random.Generator` that
            depends on seed, row and variant alone. Defaults to `None`.
        workers: number of shards made at the same time, each takes its size in memory once (twice
            with `augment`). Defaults to `None`: one for each CPU. With 1 all is done here.
        on_error: `"raise"`, or `"skip"` to leave out rows that cannot be read, or that are
            unlike the first one: they are listed on stderr and in
            `index.provenance["skipped"]`, each with `row`, `file` and `error`. Defaults to
            `"raise"`.

    Returns:
        The `ShardIndex`, as `ShardSequence` reads it from the directory.

    Raises:
        PackError: if a row cannot be read (it names row, file and reason), the directory cannot
            be written or holds something else, or another process is packing into it.
        ValueError, TypeError: if an argument makes no sense.

    Example:

    ```python
    def flip(sample, rng):
        if rng.random() < 0.5:
            sample["images"] = sample["images"][:, ::-1]  # (height, width, channels)
        return sample

    index = pack(ImageFolder("flowers", size=(128, 128)), "shards/train", variants=4, augment=flip)
    print(index.num_samples, len(index))
    ```
    """
    arguments: dict[str, Any] = {
        "shard_samples": shard_samples,
        "shuffle": shuffle,
        "seed": seed,
        "variants": variants,
        "augment": augment,
    }
    check_arguments(source, **arguments, workers=workers, on_error=on_error)
    arguments |= {
        name: operator.index(value)
        for name, value in arguments.items()
        if name in ("shard_samples", "seed", "variants") and value is not None
    }
    skip = on_error == "skip"
    folder = Path(directory)
    with quiet_pillow():
        call = describe_call(source, arguments)
        try:
            if (folder / INDEX_NAME).exists():
                return _finished(folder, call, skip)
            rows = rows_in_order(source, shuffle, seed, skip)
            fields = fields_of_first(source, rows, augment, seed, skip)
            roles = roles_of(source, fields)
            classes = _names(source, "classes")
            vocabulary = _names(source, "vocabulary")
            with claim(folder):
                if (folder / INDEX_NAME).exists():
                    return _finished(folder, call, skip)
                begin(folder, call)
                recipe = Recipe(
                    folder, fields, roles, seed, variants, augment, skip, parent=os.getpid()
                )
                size = shard_samples or default_shard_samples(len(rows), fields)
                records = make_all(source, cut(rows, size), recipe, workers)
                index = _index(recipe, records, classes=classes, vocabulary=vocabulary)
                index.provenance |= call
                index.save()
                finish(folder)
        except OSError as error:
            raise PackError(f"{folder}: cannot be written: {error}. {CONTINUE}") from error
    _tell_skipped(folder, index.provenance["skipped"])
    return index


def rows_in_order(source: Any, shuffle: bool, seed: int, skip: bool) -> Rows:
    """The rows to pack, in order. Rows known to be bad are an error before any work is done."""
    if len(source) == 0:
        raise PackError("the source has no rows.")
    problems: Mapping[int, str] = getattr(source, "problems", {})
    if problems and not skip:
        listed = [f"row {row}: {problems[row]}" for row in sorted(problems)]
        raise PackError(
            f"{len(problems)} of {len(source)} rows cannot be packed. {_listed(listed)}. Correct "
            'or drop them, or pass on_error="skip" to leave them out.'
        )
    return shuffled_rows(len(source), seed) if shuffle else np.arange(len(source))


def fields_of_first(
    source: Any, rows: Rows, augment: Augment | None, seed: int, skip: bool
) -> dict[str, Field]:
    """The fields of the first row that can be read: all others must have the same."""
    first = ""
    for row in range(len(rows)):
        try:
            sample = read_row(source, row)
        except PackError as error:
            if not skip:
                raise PackError(f"row {row}: {error}. {SKIP_HINT}") from error
            first = first or f"row {row}: {error}"
            continue
        try:
            sample = augment_row(augment, sample, seed, row, 0)
        except PackError as error:
            raise PackError(f"row {row}, variant 0: after `augment`, {error}") from error
        return {
            name: Field(name, value.dtype.newbyteorder("="), value.shape)
            for name, value in sample.items()
        }
    raise PackError(f"none of the {len(rows)} rows can be read. {first}")


def default_shard_samples(rows: int, fields: Mapping[str, Field]) -> int:
    """Rows a shard, the same on every machine."""
    row_bytes = max(1, sum(field.row_bytes for field in fields.values()))
    aim = min(max(rows * row_bytes // FEW_SHARDS, SMALL_SHARD_BYTES), SHARD_BYTES)
    shards = max(1, round(rows * row_bytes / aim))
    return -(-rows // shards)


def roles_of(source: Any, fields: Mapping[str, Field]) -> Roles:
    roles = getattr(source, "roles", None)
    if roles is None:
        return default_roles(fields)
    if isinstance(roles, Mapping):
        roles = Roles.from_json(roles)
    if not isinstance(roles, Roles):
        raise TypeError(
            '`source.roles` must be a dict such as {"inputs": "images", "targets": "labels"}. '
            f"Received: {roles!r}"
        )
    missing = [name for name in roles.names if name not in fields]
    if missing:
        raise PackError(f"the roles name {missing}, but the samples hold {list(fields)}.")
    return roles


def _names(source: Any, attribute: str) -> Any:
    """The source's classes or vocabulary, as the index keeps them."""
    value = getattr(source, attribute, None)
    if value is None:
        return None
    where = f"source.{attribute}"
    names: Any
    if isinstance(value, Mapping):
        names = {
            str(key): resolve_names(part, attribute, f"{where}[{key!r}]")
            for key, part in value.items()
        }
    else:
        names = resolve_names(source, attribute, where)
    try:
        json.dumps(names)
    except (TypeError, ValueError) as error:
        raise TypeError(f"`{where}` must hold plain JSON values: {error}") from error
    return names


def _index(
    recipe: Recipe,
    records: Sequence[Record],
    *,
    classes: Any,
    vocabulary: list[str] | None,
) -> ShardIndex:
    skipped = [entry for record in records for entry in record.skipped]
    skipped.sort(key=lambda entry: int(entry["row"]))
    shards = sorted(
        (info for record in records for info in record.shards), key=lambda info: info.variant
    )
    if not shards:
        raise PackError(
            f"{recipe.directory}: none of the {len(skipped)} rows can be packed. "
            f"{_listed([_skipped_line(entry) for entry in skipped])}"
        )
    try:
        class_counts = add_counts((record.counts for record in records), classes)
    except ShardError as error:
        raise PackError(f"the source: {error}") from error
    return ShardIndex.from_shards(
        recipe.directory,
        recipe.fields,
        shards,
        roles=recipe.roles,
        classes=classes,
        class_counts=class_counts,
        vocabulary=vocabulary,
        variants=recipe.variants,
        provenance={"skipped": skipped},
    )


def _finished(folder: Path, call: Mapping[str, Any], skip: bool) -> ShardIndex:
    """The index of a directory that is packed already, if this call has packed it."""
    index = ShardIndex.load(folder)
    before = {key: index.provenance.get(key, {}) for key in call}
    changes = differences(before, call)
    if changes:
        raise PackError(
            f"{folder}: holds the shards of another call. {changes}. Name another directory, or "
            "delete this one to pack it anew."
        )
    gone = index.provenance.get("gone")
    if gone:
        raise PackError(
            f"{folder}: {len(gone)} of its shards were left out by `repair`. Make them again with "
            f"keras_bigdata.repair({str(folder)!r}, source=...), or delete the directory to pack "
            "it anew."
        )
    if index.provenance["skipped"] and not skip:
        raise PackError(
            f'{folder}: was packed with on_error="skip", and '
            f"{len(index.provenance['skipped'])} rows were left out. Pass it again, or delete the "
            "directory to pack it anew."
        )
    for shard, size in enumerate(index.sizes):
        path = index.path(shard)
        if not path.exists() or path.stat().st_size != size:
            raise CorruptShardError(
                f"{path}: is missing or not {size} bytes long, as the index says. Make it again "
                f"with keras_bigdata.repair({str(folder)!r}, source=...), or delete {folder} to "
                "pack it anew."
            )
    if (folder / UNFINISHED).exists():  # killed between the index and the end
        finish(folder)
    print(f"{folder}: is packed already; nothing to do.", file=sys.stderr)
    return index


def _tell_skipped(folder: Path, skipped: Sequence[Mapping[str, Any]]) -> None:
    if skipped:
        lines = _listed([_skipped_line(entry) for entry in skipped], "\n  ")
        print(f"{folder}: {len(skipped)} rows left out:\n  {lines}", file=sys.stderr)


def _skipped_line(entry: Mapping[str, Any]) -> str:
    return f"row {entry['row']}: {entry['error']}"


def _listed(lines: Sequence[str], separator: str = "; ") -> str:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return separator.join([*lines[:_SHOWN], *more])
