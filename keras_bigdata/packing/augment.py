"""Ready-made augmentation for `pack(augment=...)`: one warp a sample, images and masks alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Sample: TypeAlias = "dict[str, Any]"
FillMode: TypeAlias = Literal["nearest", "constant", "reflect", "wrap"]
Matrix: TypeAlias = "npt.NDArray[np.float64]"

# What sources of pictures call the field of class numbers.
MASKS = "masks"

# What Keras and SciPy call so, by the names of `skimage.transform.warp`.
_MODES = {"nearest": "edge", "constant": "constant", "reflect": "symmetric", "wrap": "wrap"}


class Piece(Protocol):
    """One kind of change, drawn anew for each sample."""

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix | None:
        """From the coordinates (x, y, 1) of the result, about its centre, to the sample's."""

    def factor(self, rng: np.random.Generator) -> float:
        """What the values of images are multiplied with."""


@dataclass(frozen=True)
class _Geometry:
    def factor(self, rng: np.random.Generator) -> float:
        return 1.0


@dataclass(frozen=True)
class rotate(_Geometry):
    """Turns by up to so many degrees either way.

    Args:
        degrees: number of at least 0. An angle is drawn uniformly from `[-degrees, degrees]`;
            positive ones turn counterclockwise.
    """

    degrees: float

    def __post_init__(self) -> None:
        _at_least_zero(degrees=self.degrees)

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix:
        angle = math.radians(rng.uniform(-self.degrees, self.degrees))
        cos, sin = math.cos(angle), math.sin(angle)
        return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


@dataclass(frozen=True)
class shift(_Geometry):
    """Moves by up to so large a part of the picture, either way.

    Args:
        height: fraction of the height, of at least 0. Defaults to `0`.
        width: fraction of the width, of at least 0. Defaults to `0`.
    """

    height: float = 0.0
    width: float = 0.0

    def __post_init__(self) -> None:
        _at_least_zero(height=self.height, width=self.width)

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix:
        down = rng.uniform(-self.height, self.height) * height
        right = rng.uniform(-self.width, self.width) * width
        return np.array([[1, 0, -right], [0, 1, -down], [0, 0, 1]])


@dataclass(frozen=True)
class shear(_Geometry):
    """Slants by up to so many degrees either way.

    Args:
        degrees: number in `[0, 90)`, between an upright line and what becomes of it.
    """

    degrees: float

    def __post_init__(self) -> None:
        _at_least_zero(degrees=self.degrees)
        if self.degrees >= 90:
            raise ValueError(f"`degrees` must be below 90. Received: degrees={self.degrees!r}")

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix:
        slope = math.tan(math.radians(rng.uniform(-self.degrees, self.degrees)))
        return np.array([[1, slope, 0], [0, 1, 0], [0, 0, 1]])


@dataclass(frozen=True)
class zoom(_Geometry):
    """Makes larger or smaller about the centre.

    Args:
        low: factor above 0 of the smallest result; below 1 the picture shrinks.
        high: factor of the largest.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _range(self.low, self.high)
        if self.low == 0:
            raise ValueError("`low` must be above 0. Received: low=0")

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix:
        factor = rng.uniform(self.low, self.high)
        return np.diag([1 / factor, 1 / factor, 1.0])


@dataclass(frozen=True)
class flip(_Geometry):
    """Mirrors one sample in two.

    Args:
        horizontal: whether left and right are exchanged. Defaults to `True`.
        vertical: whether top and bottom are exchanged. Defaults to `False`.
    """

    horizontal: bool = True
    vertical: bool = False

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix | None:
        across, upright = rng.random(2) < 0.5
        signs = (
            -1.0 if self.horizontal and across else 1.0,
            -1.0 if self.vertical and upright else 1,
        )
        return None if signs == (1, 1) else np.diag([*signs, 1.0])


@dataclass(frozen=True)
class brightness:
    """Multiplies the values of images, not of masks.

    Args:
        low: smallest factor, of at least 0.
        high: largest factor.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _range(self.low, self.high)

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> None:
        return None

    def factor(self, rng: np.random.Generator) -> float:
        return rng.uniform(self.low, self.high)


class Augment:
    """Changes a sample at random: what `pack(augment=...)` takes, from ready-made pieces.

    All geometric pieces make one warp (`skimage.transform.warp`), so a picture is interpolated
    only once. Images and masks of a sample are changed alike; masks keep their values
    (nearest neighbour). Shapes and dtypes stay. The same generator gives the same result.

    Args:
        *pieces: `rotate`, `shift`, `shear`, `zoom`, `flip`, `brightness`, applied in this order.
        fill_mode: what is put where the picture does not reach: `"nearest"` (its edge),
            `"constant"` (`cval`), `"reflect"` or `"wrap"`. Defaults to `"nearest"`.
        cval: the value for `"constant"`, in the units of the picture. Masks get 0 there.
            Defaults to `0.0`.
        images: fields that are pictures, arrays of shape `(height, width)` or `(height, width,
            channels)`. Defaults to `("images",)`.
        masks: fields with a class number for each pixel, of the same height and width; `()` leaves
            them as they are. Defaults to `None`: the field `masks`, if a sample has it.

    Raises:
        ValueError: if an argument does not make sense, or a sample's field is no picture.
        KeyError: if a sample lacks a field.

    Example:

    ```python
    from keras_bigdata.packing.augment import Augment, flip, rotate, shift

    changes = Augment(rotate(20), shift(0.1, 0.1), flip(), fill_mode="reflect")
    pack(photos, "shards/train", variants=4, augment=changes)
    ```
    """

    def __init__(
        self,
        *pieces: Piece,
        fill_mode: FillMode = "nearest",
        cval: float = 0.0,
        images: str | tuple[str, ...] = ("images",),
        masks: str | tuple[str, ...] | None = None,
    ) -> None:
        for piece in pieces:
            if isinstance(piece, type) or not hasattr(piece, "matrix"):
                raise TypeError(
                    "Pieces are made by `rotate(...)`, `shift(...)`, `shear(...)`, `zoom(...)`, "
                    f"`flip(...)` and `brightness(...)`. Received: {piece!r}"
                )
        if fill_mode not in _MODES:
            raise ValueError(
                f"`fill_mode` must be one of {sorted(_MODES)}. Received: fill_mode={fill_mode!r}"
            )
        self.pieces = pieces
        self.fill_mode = fill_mode
        self.cval = float(cval)
        self.images = (images,) if isinstance(images, str) else tuple(images)
        self.masks = (
            (masks,) if isinstance(masks, str) else masks if masks is None else tuple(masks)
        )
        if not self.images and not self.masks:
            raise ValueError("Name at least one field in `images` or `masks`.")

    def __repr__(self) -> str:
        pieces = "".join(f"{piece!r}, " for piece in self.pieces)
        return (
            f"Augment({pieces}fill_mode={self.fill_mode!r}, cval={self.cval!r}, "
            f"images={self.images!r}, masks={self.masks!r})"
        )

    def __call__(self, sample: Mapping[str, Any], rng: np.random.Generator) -> Sample:
        """The sample, changed.

        Args:
            sample: a dict of fields.
            rng: a `numpy.random.Generator`, which alone decides what is drawn.

        Returns:
            A dict with the same fields.
        """
        changed = dict(sample)
        masks = self.masks
        if masks is None:
            masks = (MASKS,) if MASKS in sample and MASKS not in self.images else ()
        arrays = {name: _picture(sample, name) for name in self.images + masks}
        sizes = {name: array.shape[:2] for name, array in arrays.items()}
        height, width = next(iter(sizes.values()))
        if len(set(sizes.values())) > 1:
            raise ValueError(f"Images and masks differ in height and width: {sizes}.")
        about = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
        matrix: Matrix | None = None
        factor = 1.0
        for piece in self.pieces:
            factor *= piece.factor(rng)
            one = piece.matrix(rng, height, width)
            if one is not None:
                matrix = one if matrix is None else matrix @ one
        if matrix is not None:
            matrix = about @ matrix @ np.linalg.inv(about)
        for name in self.images:
            changed[name] = self._changed(arrays[name], matrix, 1, self.cval, factor)
        for name in masks:
            changed[name] = self._changed(arrays[name], matrix, 0, 0.0, 1.0)
        return changed

    def _changed(
        self,
        array: npt.NDArray[Any],
        matrix: Matrix | None,
        order: int,
        cval: float,
        factor: float,
    ) -> npt.NDArray[Any]:
        from skimage.transform import AffineTransform, warp

        if matrix is None and factor == 1:
            return array
        values = array.astype(np.float64)
        if matrix is not None:
            values = warp(
                values,
                AffineTransform(matrix=matrix),
                order=order,
                mode=_MODES[self.fill_mode],
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


def _picture(sample: Mapping[str, Any], name: str) -> npt.NDArray[Any]:
    if name not in sample:
        raise KeyError(f"The sample has no field {name!r}. Its fields are {sorted(sample)}.")
    array = np.asarray(sample[name])
    if array.ndim not in (2, 3) or array.dtype.kind not in "biuf":
        raise ValueError(
            f"Field {name!r} is no picture of shape (height, width) or (height, width, channels): "
            f"shape {array.shape}, dtype {array.dtype}."
        )
    return array


def _at_least_zero(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be a number of at least 0. Received: {name}={value!r}")


def _range(low: float, high: float) -> None:
    if not 0 <= low <= high < math.inf:
        raise ValueError(
            f"`low` and `high` must be 0 <= low <= high. Received: low={low!r}, high={high!r}"
        )
