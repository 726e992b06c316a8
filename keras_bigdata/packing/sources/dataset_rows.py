"""A Hugging Face `datasets.Dataset` as a source for `pack`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.packing.sources.default_roles import default_roles
from keras_bigdata.shards.fields.standard_fields import LABELS


def is_dataset(source: Any) -> bool:
    """Returns whether an object is a `datasets.Dataset`, whose rows can be read by number."""
    return (
        type(source).__module__.partition(".")[0] == "datasets"
        and isinstance(getattr(source, "column_names", None), list)
        and hasattr(source, "__len__")
        and hasattr(source, "__getitem__")
    )


def text_columns(dataset: Any) -> list[str]:
    """Returns the names of the columns that hold texts."""
    features = dataset.features
    return [name for name in dataset.column_names if _type_name(features[name]).endswith("string")]


class DatasetRows:
    """The rows of a `datasets.Dataset`; each column is a field.

    The targets are the column `labels`, else `label`. Numbers have the type that the features of
    the dataset declare; where a format such as `with_format("numpy")` is set, the one it returns.

    Args:
        dataset: The dataset.

    Raises:
        ValueError: If there are a column `label` and a column `labels`.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        names = dataset.column_names
        if LABELS in names and "label" in names:
            raise ValueError(
                "`source` has a column 'label' and a column 'labels', and either may be the "
                "target. Remove or rename one: dataset.remove_columns('label'). "
                f"Received: columns {names}"
            )
        target = next((name for name in (LABELS, "label") if name in names), None)
        self.roles = default_roles(names, targets=target)
        self.classes = None if target is None else getattr(dataset.features[target], "names", None)
        self._types = {name: _number_type(dataset.features[name]) for name in names}

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, row: int) -> dict[str, Any]:
        sample = self._dataset[int(row)]
        return {name: self._convert(name, value) for name, value in sample.items()}

    def select(self, rows: npt.NDArray[np.int64]) -> DatasetRows:
        """Returns a source of some rows."""
        return DatasetRows(self._dataset.select(rows))

    def fingerprint(self) -> dict[str, Any]:
        """Returns a JSON dict that differs between datasets with different rows."""
        # `datasets` names its cache files by this fingerprint. Without it, the rows are not
        # compared.
        known = getattr(self._dataset, "_fingerprint", None)
        format_type = (getattr(self._dataset, "format", None) or {}).get("type")
        return {
            "kind": "datasets.Dataset",
            "rows": len(self),
            "features": {name: str(kind) for name, kind in self._dataset.features.items()},
            "format": format_type,
            "fingerprint": str(known),
        }

    def _convert(self, name: str, value: Any) -> Any:
        """Returns Python numbers as an array of the declared type; other values as they are."""
        kind = self._types[name]
        if kind is None or not isinstance(value, bool | int | float | list):
            return value
        try:
            # NumPy makes False and NaN of missing values, and refuses them for integers.
            if isinstance(value, list) and kind.kind in "bf" and np.asarray(value).dtype.hasobject:
                return value
            return np.asarray(value, kind)
        except (TypeError, ValueError):  # a missing value, rows of different length: `pack` says so
            return value


def _type_name(feature: Any) -> str:
    """Returns the type of the values of a feature, which may be lists of them."""
    while getattr(feature, "feature", None) is not None:
        feature = feature.feature
    return str(getattr(feature, "dtype", ""))


def _number_type(feature: Any) -> np.dtype[Any] | None:
    """Returns the type of numbers; `None` if the feature holds something else."""
    try:
        kind = np.dtype(_type_name(feature))
    except TypeError:
        return None
    return kind if kind.kind in "biuf" else None
