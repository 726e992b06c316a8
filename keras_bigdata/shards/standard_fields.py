"""The names that the sources of this package give to fields."""

from __future__ import annotations

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
