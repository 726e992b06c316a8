"""Checks that a remote set was not replaced while parts of its shards were read."""

from __future__ import annotations

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardIndex
from keras_bigdata.storage.paths.joined_places import JoinedPlaces
from keras_bigdata.storage.paths.listed_sizes import check_unchanged
from keras_bigdata.storage.paths.place import Place, urls_of
from keras_bigdata.storage.paths.remote_path import RemotePath

_MAX_CONFIRMED = 32

# Directory and `set_version` -> version of its `index.json` when its content was that of the index.
_confirmed: dict[tuple[RemotePath, int | None], str] = {}


def check_still_current(index: ShardIndex) -> None:
    """Checks that a remote set was not packed again while columns of it were read.

    A whole shard is compared with its checksum in the index. A range of it cannot be: so after the
    last range the index is read again, unless the store reports that it is the same file, and must
    have the same shards. More shards may have been appended. A local set is not checked.

    Raises:
        CorruptShardError: if the set was replaced, or removed.
        StorageError: if the index cannot be read.
    """
    place: Place = index.directory
    for each in urls_of(place):
        _check_place(each, index, isinstance(place, JoinedPlaces))


def _check_place(place: RemotePath, index: ShardIndex, joined: bool) -> None:
    try:
        version = check_unchanged(place, INDEX_NAME)
    except FileNotFoundError:
        version = ""
    key = (place, place.set_version)
    if version and _confirmed.get(key) == version:
        return
    now = ShardIndex.load(place)
    found = {
        str(now.path(shard)) if joined else name: int(now.checksums[shard])
        for shard, name in enumerate(now.names)
    }
    for name, checksum in zip(index.names, index.checksums.tolist(), strict=True):
        if joined and not name.startswith(f"{place}/"):
            continue
        if found.get(name) != checksum:
            raise CorruptShardError(
                f"{place}: the set was packed again while it was read: {name} is another shard or "
                "was removed. Open it again."
            )
    _confirmed[key] = version
    while len(_confirmed) > _MAX_CONFIRMED:
        _confirmed.pop(next(iter(_confirmed)))
