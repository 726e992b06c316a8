"""Fields of a shard, whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.pickles import StoredArray, read_array, walk


def read_columns(
    path: Path, names: Sequence[str], trust: bool = False
) -> dict[str, npt.NDArray[Any]]:
    """Some fields of one shard, C-contiguous and in native byte order."""
    contents = walk(path, trust=trust)
    columns = {}
    for name in names:
        found = contents.fields.get(name)
        if found is None:
            raise CorruptShardError(f"{path}: there is no array {name!r}. Restore the file.")
        array = read_array(path, found) if isinstance(found, StoredArray) else found
        columns[name] = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    return columns
