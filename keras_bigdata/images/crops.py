"""`Resize`, `CenterCrop`, `RandomResizedCrop`: which part of an image is decoded for a batch.

Their names and the parts that they cut are those of torchvision.transforms.v2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from keras_bigdata.arguments import checked_int, checked_number
from keras_bigdata.images.resizing import checked_size

# Attempts to find a random crop within the image, as in torchvision.
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Placement:
    """A part of an image, and where it lies in the result.

    Args:
        box: `(top, left, height, width)` of the part, in pixels of the upright image.
        size: `(height, width)` that the part is resized to.
        origin: `(top, left)` of the part in the result. Defaults to `(0, 0)`.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    origin: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Resize:
    """Resizes each image to one size; its aspect ratio is not kept.

    Args:
        size: `(height, width)` in pixels.

    Raises:
        TypeError: if a size is not an integer.
        ValueError: if `size` has a value that is not allowed.

    Example:

    ```python
    train = ShardSequence("shards/full", 64, decode=Resize((224, 224)))
    ```
    """

    size: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checked_size(self.size))

    draws = 0

    def place(self, height: int, width: int, draws: Sequence[float]) -> Placement:
        """Returns which part of an image is used: the whole."""
        return Placement((0, 0, height, width), self.size)


@dataclass(frozen=True, slots=True)
class CenterCrop:
    """Cuts the middle out of each image. Smaller images are padded with zeros.

    Args:
        size: `(height, width)` of the part in pixels.
        resize: the length in pixels that the shorter side of the image is resized to first, with
            its aspect ratio kept. Defaults to `None`: the image is not resized.

    Raises:
        TypeError: if a size is not an integer.
        ValueError: if an argument has a value that is not allowed.

    Example:

    ```python
    val = ShardSequence("shards/full", 64, decode=CenterCrop((224, 224), resize=256))
    ```
    """

    size: tuple[int, int]
    resize: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checked_size(self.size))
        if self.resize is not None:
            object.__setattr__(self, "resize", checked_int(self.resize, "resize", 1))

    draws = 0

    def place(self, height: int, width: int, draws: Sequence[float]) -> Placement:
        """Returns which part of an image is used: its middle."""
        full = (height, width)
        scaled = full
        if self.resize is not None:
            short, long = min(full), max(full)
            longer = max(1, int(self.resize * long / short))
            scaled = (self.resize, longer) if height <= width else (longer, self.resize)
        size = tuple(min(wanted, length) for wanted, length in zip(self.size, scaled, strict=True))
        starts = [round((length - part) / 2) for length, part in zip(scaled, size, strict=True)]
        rows, columns = (each / length for each, length in zip(full, scaled, strict=True))
        origin = tuple((wanted - part) // 2 for wanted, part in zip(self.size, size, strict=True))
        return Placement(
            (starts[0] * rows, starts[1] * columns, size[0] * rows, size[1] * columns),
            (size[0], size[1]),
            (origin[0], origin[1]),
        )


@dataclass(frozen=True, slots=True)
class RandomResizedCrop:
    """Cuts a random part out of each image, and resizes it.

    The part depends only on the seed of the sequence, the pass over the data, the row and, with
    `balance`, on how often the row was served before, so it is the same for any batch size and any
    number of workers. Flip images by a layer, such as `keras.layers.RandomFlip`.

    Args:
        size: `(height, width)` of the result in pixels.
        scale: smallest and largest area of the part, as shares of the area of the image. Defaults
            to `(0.08, 1.0)`.
        ratio: smallest and largest width of the part divided by its height. Defaults to
            `(3 / 4, 4 / 3)`.

    Raises:
        TypeError: if a size is not an integer, or a scale or ratio not a number.
        ValueError: if an argument has a value that is not allowed.

    Example:

    ```python
    train = ShardSequence("shards/full", 64, decode=RandomResizedCrop((224, 224)))
    ```

    Reference: Szegedy et al., Going Deeper with Convolutions, 2015.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checked_size(self.size))
        for name in ("scale", "ratio"):
            object.__setattr__(self, name, _checked_range(getattr(self, name), name))
        if self.scale[1] > 1:
            raise ValueError(
                "`scale` must be at most 1: a part is not larger than the image. Received: "
                f"scale={self.scale!r}"
            )

    draws = 2 * _ATTEMPTS + 2

    def place(self, height: int, width: int, draws: Sequence[float]) -> Placement:
        """Returns which part of an image is used.

        Args:
            height, width: size of the image in pixels.
            draws: 22 random numbers between 0 and 1.
        """
        low, high = map(math.log, self.ratio)
        for attempt in range(_ATTEMPTS):
            share = self.scale[0] + draws[2 * attempt] * (self.scale[1] - self.scale[0])
            ratio = math.exp(low + draws[2 * attempt + 1] * (high - low))
            area = height * width * share
            part = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 0 < part[0] <= height and 0 < part[1] <= width:
                top = int(draws[-2] * (height - part[0] + 1))
                left = int(draws[-1] * (width - part[1] + 1))
                return Placement((top, left, *part), self.size)
        # The image is longer than any part may be: the middle, in the nearest ratio.
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        part = min(height, max(1, round(width / ratio))), min(width, max(1, round(height * ratio)))
        return Placement(((height - part[0]) // 2, (width - part[1]) // 2, *part), self.size)


Crop: TypeAlias = Resize | CenterCrop | RandomResizedCrop


def _checked_range(values: Any, name: str) -> tuple[float, float]:
    try:
        first, last = values
    except (TypeError, ValueError):
        raise ValueError(
            f"`{name}` must be the smallest and the largest value. Received: {name}={values!r}"
        ) from None
    low = checked_number(first, f"{name}[0]", above=0)
    high = checked_number(last, f"{name}[1]", above=0)
    if low > high:
        raise ValueError(f"`{name}` must ascend. Received: {name}={values!r}")
    return low, high
