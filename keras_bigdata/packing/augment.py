"""Ready-made augmentation for `pack(augment=...)` that changes images and masks in the same way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_choice
from keras_bigdata.packing.samples.warp import read_image, warp_array
from keras_bigdata.shards.fields.standard_fields import MASKS

Sample: TypeAlias = "dict[str, Any]"
FillMode: TypeAlias = Literal["nearest", "constant", "reflect", "wrap"]
Matrix: TypeAlias = "npt.NDArray[np.float64]"


# The modes of Keras and SciPy -> those of `skimage.transform.warp`.
_MODES = {"nearest": "edge", "constant": "constant", "reflect": "symmetric", "wrap": "wrap"}


class Transform(Protocol):
    """A random change of a sample, of which `Augment` applies several.

    A custom transform has these two methods. Each is called once for each sample and draws its
    random numbers from `rng` alone.
    """

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix | None:
        """Draws the geometric part of the change.

        Args:
            rng: generator of random numbers.
            height, width: size of the image in pixels.

        Returns:
            A float64 matrix of shape `(3, 3)` that maps coordinates (x, y, 1) of the result, in
            pixels from its center, to those of the sample; `None` for no change.
        """

    def factor(self, rng: np.random.Generator) -> float:
        """Draws the number that the values of images are multiplied by."""


@dataclass(frozen=True)
class _Geometry:
    def factor(self, rng: np.random.Generator) -> float:
        return 1.0


@dataclass(frozen=True)
class rotate(_Geometry):
    """Rotates by a random angle about the center.

    Args:
        degrees: number of at least 0. The angle is drawn uniformly from `[-degrees, degrees]`;
            positive angles are counterclockwise.

    Raises:
        ValueError: if `degrees` is negative or not finite.

    Example: `Augment(rotate(20))`
    """

    degrees: float

    def __post_init__(self) -> None:
        _check_not_negative(degrees=self.degrees)

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix:
        """Draws an angle; see `Transform.matrix`."""
        angle = math.radians(rng.uniform(-self.degrees, self.degrees))
        cos, sin = math.cos(angle), math.sin(angle)
        return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


@dataclass(frozen=True)
class shift(_Geometry):
    """Shifts by random fractions of height and width.

    Args:
        height: fraction of the height, of at least 0. The shift is drawn uniformly from
            `[-height, height]` times the height; positive ones are downwards. Defaults to `0.0`.
        width: fraction of the width, of at least 0; positive shifts are to the right. Defaults to
            `0.0`.

    Raises:
        ValueError: if a fraction is negative or not finite.

    Example: `Augment(shift(0.1, 0.1))`
    """

    height: float = 0.0
    width: float = 0.0

    def __post_init__(self) -> None:
        _check_not_negative(height=self.height, width=self.width)

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix:
        """Draws a shift; see `Transform.matrix`."""
        down = rng.uniform(-self.height, self.height) * height
        right = rng.uniform(-self.width, self.width) * width
        return np.array([[1, 0, -right], [0, 1, -down], [0, 0, 1]])


@dataclass(frozen=True)
class shear(_Geometry):
    """Shears horizontally by a random angle.

    Args:
        degrees: number in `[0, 90)`. The angle between a vertical line and its image is drawn
            uniformly from `[-degrees, degrees]`.

    Raises:
        ValueError: if `degrees` is out of range.

    Example: `Augment(shear(10))`
    """

    degrees: float

    def __post_init__(self) -> None:
        _check_not_negative(degrees=self.degrees)
        if self.degrees >= 90:
            raise ValueError(f"`degrees` must be below 90. Received: degrees={self.degrees!r}")

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix:
        """Draws an angle; see `Transform.matrix`."""
        slope = math.tan(math.radians(rng.uniform(-self.degrees, self.degrees)))
        return np.array([[1, slope, 0], [0, 1, 0], [0, 0, 1]])


@dataclass(frozen=True)
class zoom(_Geometry):
    """Zooms by a random factor about the center.

    Args:
        low: smallest factor, above 0. A factor below 1 shrinks the image.
        high: largest factor. The factor is drawn uniformly from `[low, high]`.

    Raises:
        ValueError: if the factors are out of range.

    Example: `Augment(zoom(0.8, 1.2))`
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self.low, self.high)
        if self.low == 0:
            raise ValueError("`low` must be above 0. Received: low=0")

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix:
        """Draws a factor; see `Transform.matrix`."""
        factor = rng.uniform(self.low, self.high)
        return np.diag([1 / factor, 1 / factor, 1.0])


@dataclass(frozen=True)
class flip(_Geometry):
    """Flips half of the samples on average, in each direction independently.

    Args:
        horizontal: whether to exchange left and right. Defaults to `True`.
        vertical: whether to exchange top and bottom. Defaults to `False`.

    Example: `Augment(flip(horizontal=True, vertical=True))`
    """

    horizontal: bool = True
    vertical: bool = False

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> Matrix | None:
        """Draws whether to flip; see `Transform.matrix`."""
        flip_x, flip_y = rng.random(2) < 0.5
        x = -1.0 if self.horizontal and flip_x else 1.0
        y = -1.0 if self.vertical and flip_y else 1.0
        return None if (x, y) == (1, 1) else np.diag([x, y, 1.0])


@dataclass(frozen=True)
class brightness:
    """Multiplies the values of images, not of masks, by a random factor.

    Args:
        low: smallest factor, of at least 0.
        high: largest factor. The factor is drawn uniformly from `[low, high]`.

    Raises:
        ValueError: if the factors are out of range.

    Example: `Augment(brightness(0.8, 1.2))`
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self.low, self.high)

    def matrix(self, rng: np.random.Generator, height: int, width: int) -> None:
        """Returns `None`: the geometry does not change."""
        return None

    def factor(self, rng: np.random.Generator) -> float:
        """Draws the factor."""
        return rng.uniform(self.low, self.high)


class Augment:
    """Changes samples at random, for `pack(augment=...)` or `ShardSequence(transform=...)`.

    All geometric transforms are combined into one warp (`skimage.transform.warp`), so that an
    image is interpolated only once. Images and masks of a sample are changed in the same way; masks
    keep their values (nearest neighbor). Shapes and dtypes do not change. The result depends only
    on the sample and the random generator, in every release of this package.

    Args:
        *transforms: `rotate`, `shift`, `shear`, `zoom`, `flip`, `brightness`, or custom objects
            with the methods of `Transform`; applied in this order.
        fill_mode: values of the pixels outside of the image: `"nearest"` (those of its edge),
            `"constant"` (`cval`), `"reflect"` or `"wrap"`. Defaults to `"nearest"`.
        cval: the value for `"constant"`, in the units of the image. Masks are set to 0 there.
            Defaults to `0.0`.
        images: names of the fields that are images, arrays of shape `(height, width)` or
            `(height, width, channels)`. Defaults to `("images",)`.
        masks: names of the fields that hold a class number for each pixel, of the same height and
            width; `()` leaves them unchanged. Defaults to `None`: the field `masks`, if a sample
            has it.

    Raises:
        ValueError: if `fill_mode` is unknown, if neither images nor masks are named, or if a field
            of a sample is not an image.
        TypeError: if a transform lacks the method `matrix`.
        KeyError: if a sample lacks a field.

    Example:

    ```python
    from keras_bigdata.packing.augment import Augment, flip, rotate, shift

    flowers = ImageFolder("flowers", size=(128, 128))
    augment = Augment(rotate(20), shift(0.1, 0.1), flip(), fill_mode="reflect")
    pack(flowers, "shards/flowers", variants=4, augment=augment)  # four copies, made once
    pack(flowers, "shards/plain")
    train = ShardSequence("shards/plain", 64, transform=augment)  # another one in each epoch
    ```
    """

    def __init__(
        self,
        *transforms: Transform,
        fill_mode: FillMode = "nearest",
        cval: float = 0.0,
        images: str | tuple[str, ...] = ("images",),
        masks: str | tuple[str, ...] | None = None,
    ) -> None:
        for transform in transforms:
            if isinstance(transform, type) or not hasattr(transform, "matrix"):
                raise TypeError(
                    "Transforms must be objects such as `rotate(20)`, `shift(0.1, 0.1)`, "
                    "`shear(10)`, `zoom(0.8, 1.2)`, `flip()` and `brightness(0.8, 1.2)`. "
                    f"Received: {transform!r}"
                )
        # The names of the attributes are part of the fingerprint of a pack.
        self.transforms = transforms
        self.fill_mode = checked_choice(fill_mode, "fill_mode", tuple(_MODES))
        self.cval = float(cval)
        self.images = (images,) if isinstance(images, str) else tuple(images)
        self.masks = (
            (masks,) if isinstance(masks, str) else masks if masks is None else tuple(masks)
        )
        if not self.images and not self.masks:
            raise ValueError(
                "`images` or `masks` must name at least one field. "
                f"Received: images={images!r}, masks={masks!r}"
            )

    def __repr__(self) -> str:
        arguments = [repr(transform) for transform in self.transforms]
        for name, default in (
            ("fill_mode", "nearest"),
            ("cval", 0.0),
            ("images", ("images",)),
            ("masks", None),
        ):
            value = getattr(self, name)
            if value != default:
                arguments.append(f"{name}={value!r}")
        return f"Augment({', '.join(arguments)})"

    def __call__(self, sample: Mapping[str, Any], rng: np.random.Generator) -> Sample:
        """Returns a changed copy of a sample.

        Args:
            sample: a dict of fields.
            rng: a `numpy.random.Generator`, from which all random numbers are drawn.

        Returns:
            A dict with the same fields.
        """
        changed = dict(sample)
        masks, mode = self._masks_of(sample), _MODES[self.fill_mode]
        arrays = {name: read_image(sample, name) for name in self.images + masks}
        sizes = {name: array.shape[:2] for name, array in arrays.items()}
        height, width = next(iter(sizes.values()))
        if len(set(sizes.values())) > 1:
            raise ValueError(f"Images and masks differ in height and width: {sizes}.")
        matrix, factor = self._draw(rng, height, width)
        for name in self.images:
            changed[name] = warp_array(
                arrays[name], matrix, 1, mode=mode, cval=self.cval, factor=factor
            )
        for name in masks:
            changed[name] = warp_array(arrays[name], matrix, 0, mode=mode, cval=0.0, factor=1.0)
        return changed

    def transform_batch(self, batch: Mapping[str, Any], rng: np.random.Generator) -> Sample:
        """Returns a changed copy of a batch: each of its rows is a sample.

        `ShardSequence(transform=augment)` calls it.

        Args:
            batch: a dict of arrays of shape `(rows, ...)`.
            rng: a `numpy.random.Generator`, from which the numbers of all rows are drawn in turn.

        Returns:
            A dict with the same fields.
        """
        names = self.images + self._masks_of(batch)
        for name in names:
            if name not in batch:
                raise KeyError(f"The batch has no field {name!r}. Its fields are {sorted(batch)}.")
        rows = [
            self(dict(zip(names, values, strict=True)), rng)
            for values in zip(*(batch[name] for name in names), strict=True)
        ]
        return {**batch, **{name: np.stack([row[name] for row in rows]) for name in names}}

    def _masks_of(self, sample: Mapping[str, Any]) -> tuple[str, ...]:
        if self.masks is not None:
            return self.masks
        return (MASKS,) if MASKS in sample and MASKS not in self.images else ()

    def _draw(
        self, rng: np.random.Generator, height: int, width: int
    ) -> tuple[Matrix | None, float]:
        """Draws the changes of one sample: a map of coordinates in pixels, and a factor."""
        combined: Matrix | None = None
        factor = 1.0
        for transform in self.transforms:
            factor *= transform.factor(rng)
            matrix = transform.matrix(rng, height, width)
            if matrix is not None:
                combined = matrix if combined is None else combined @ matrix
        if combined is not None:
            center = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
            combined = center @ combined @ np.linalg.inv(center)
        return combined, factor


def _check_not_negative(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be a number of at least 0. Received: {name}={value!r}")


def _check_range(low: float, high: float) -> None:
    if not 0 <= low <= high < math.inf:
        raise ValueError(
            f"`low` and `high` must be 0 <= low <= high. Received: low={low!r}, high={high!r}"
        )
