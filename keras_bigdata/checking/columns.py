"""Fields of a shard, whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.pickles import read_fields


def read_columns(
    path: Path, names: Sequence[str], trust: bool = False
) -> dict[str, npt.NDArray[Any]]:
    """Some fields of one shard, C-contiguous and in native byte order."""
    return {
        name: np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        for name, array in read_fields(path, names, trust=trust).items()
    }
