"""Applies a geometric change and a factor to the array of one image or mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


def warp_array(
    array: npt.NDArray[Any],
    matrix: npt.NDArray[np.float64] | None,
    order: int,
    *,
    mode: str,
    cval: float,
    factor: float,
) -> npt.NDArray[Any]:
    """Returns a changed image of the same shape and dtype.

    Args:
        array: image of shape `(height, width)` or `(height, width, channels)`.
        matrix: float64 matrix of shape `(3, 3)` that maps coordinates (x, y, 1) of the result to
            those of the array, in pixels; `None` for no change.
        order: 0 for the nearest pixel, 1 for bilinear interpolation.
        mode, cval: as for `skimage.transform.warp`.
        factor: the values are multiplied by it.
    """
    from skimage.transform import AffineTransform, warp

    if matrix is None and factor == 1:
        return array
    values = array.astype(np.float64)
    if matrix is not None:
        values = warp(
            values,
            AffineTransform(matrix=matrix),
            order=order,
            mode=mode,
            cval=cval,
            preserve_range=True,
        )
    values = values * factor
    if array.dtype.kind in "iu":
        bounds = np.iinfo(array.dtype)
        values = np.clip(np.rint(values), bounds.min, bounds.max)
    elif array.dtype.kind == "b":
        return np.asarray(values > 0.5)
    return values.astype(array.dtype)


def read_image(sample: Mapping[str, Any], name: str) -> npt.NDArray[Any]:
    """Returns a field of a sample as an image.

    Raises:
        KeyError: if the sample does not have the field.
        ValueError: if the field is not an image.
    """
    if name not in sample:
        raise KeyError(f"The sample has no field {name!r}. Its fields are {sorted(sample)}.")
    array = np.asarray(sample[name])
    if array.ndim not in (2, 3) or array.dtype.kind not in "biuf":
        raise ValueError(
            f"Field {name!r} must be an image of shape (height, width) or (height, width, "
            f"channels). Received: shape {array.shape}, dtype {array.dtype}"
        )
    return array
