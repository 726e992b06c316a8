"""Up to which numbers integers in a field are taken for classes, and not for identifiers."""

from __future__ import annotations

# Classes whose rows the index counts, and strata of `split`: a count of each is in `index.json`.
MAX_COUNTED_CLASSES = 10_000

# Classes of which `balance` serves equally many rows.
MAX_BALANCED_CLASSES = 1_000_000

# Classes that may have a weight: an array of 80 MB.
MAX_WEIGHTED_CLASSES = 10_000_000
