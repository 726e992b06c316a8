"""Chooses how images are stored with `store="auto"`, by a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata.errors import PackError
from keras_bigdata.packing.forms.storage_cost import measure_storage
from keras_bigdata.packing.samples.samples import Array, read_row
from keras_bigdata.storage.paths.remote_path import RemotePath

# Number of rows whose images are measured.
SAMPLE_ROWS = 32


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """The form that was chosen, and the reason.

    Args:
        store: `"pixels"` or `"jpeg"`.
        reason: the measured values, as text.
    """

    store: str
    reason: str


def choose_store(
    source: Any,
    fields: Sequence[str],
    quality: int,
    directory: Path | RemotePath,
    *,
    rows: int,
) -> StoreChoice:
    """Chooses between pixels and JPEG.

    Pixels are chosen if the set fits in half of the memory, because the disk then limits the first
    epoch only; or if the disk reads them faster than the cores decode JPEG. Behind a URL the
    smaller form is chosen: the network limits each epoch that is not read from a cache.

    Args:
        source: the source of the rows.
        fields: its fields of images, all of one size.
        quality: quality of JPEG, 1 to 100.
        directory: where the shards will be written.
        rows: number of rows that will be written.
    """
    images: list[Array] = []
    for row in spread(len(source), SAMPLE_ROWS):
        try:
            sample = read_row(source, row)
        except PackError:  # reported, or left out, when it is packed
            continue
        images += [sample[field] for field in fields]
    if not images:
        return StoreChoice("pixels", "no row of the sample can be read")
    other = next((image for image in images if not _can_be_encoded(image)), None)
    if other is not None:
        return StoreChoice("pixels", f"JPEG cannot hold {other.dtype} of shape {other.shape}")
    cost = measure_storage(images, quality, images=rows * len(fields), directory=directory)
    return StoreChoice(cost.choice, cost.reason)


def _can_be_encoded(image: Array) -> bool:
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] in (1, 3)


def spread(count: int, sample: int) -> list[int]:
    """Returns up to `sample` evenly spaced numbers below `count`."""
    numbers: list[int] = np.linspace(0, count - 1, min(count, sample)).astype(int).tolist()
    return numbers
