"""The names that the sources of this package give to fields."""

from __future__ import annotations

from keras_bigdata.shards.fields.roles import Structure

# Inputs.
IMAGES = "images"
VIDEOS = "videos"
TEXTS = "texts"
NUMBERS = "numbers"

# Targets: class numbers, class numbers of pixels, numbers to predict.
LABELS = "labels"
MASKS = "masks"
TARGETS = "targets"

SAMPLE_WEIGHT = "sample_weight"


def weight_field(target: str) -> str:
    """Returns the field of the sample weights that one of several outputs has for itself."""
    return f"{SAMPLE_WEIGHT}_{target}"


def class_field(targets: Structure | None) -> str:
    """Returns the field that a single list of classes belongs to.

    Args:
        targets: the targets among the roles of the fields.

    Returns:
        The only target; with several or none, the field that sources call `labels`.
    """
    return targets if isinstance(targets, str) else LABELS
