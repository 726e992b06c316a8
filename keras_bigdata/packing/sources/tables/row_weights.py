"""Sample weights of a table: a column of weights, and weight 0 where a target is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.tables.numbers import Numbers
from keras_bigdata.packing.sources.tables.table import Columns
from keras_bigdata.permutation import Rows
from keras_bigdata.shards.fields.roles import Structure, field_names, map_structure
from keras_bigdata.shards.fields.standard_fields import MASKS, SAMPLE_WEIGHT, weight_field

Present = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RowWeights:
    """The fields of sample weights of a source, computed for the rows that it has.

    An output whose target is missing in some rows has a field of its own, `sample_weight_<field>`,
    unless it is the only output. The other outputs share the field `sample_weight`. Those of masks
    have the shape `(rows, 1, 1)`, because the loss of a mask has the shape `(rows, height, width)`
    and Keras would multiply weights of shape `(rows,)` with its columns.

    Args:
        targets: The roles of the targets.
        weights: The column of weights. Defaults to `None`: 1 in every row.
        present: Target field -> where the target is present, for the outputs that may lack it.
            Defaults to `{}`.
    """

    targets: Structure
    weights: npt.NDArray[np.float32] | None = None
    present: Mapping[str, Present] = field(default_factory=dict)

    @property
    def structure(self) -> Structure:
        """The role of the sample weights, nested as the targets are."""
        return map_structure(self.targets, self._field_of)  # type: ignore[no-any-return]

    def fields(self, usable: Present) -> dict[str, npt.NDArray[np.float32]]:
        """Returns the weights by field.

        The rows in which a target is present have (usable rows) / (usable rows with the target),
        times their weight in the column, so that the mean over all rows is the mean over those.

        Args:
            usable: The rows that can be packed, as far as that is known.
        """
        fields: dict[str, npt.NDArray[np.float32]] = {}
        for target in field_names(self.targets):
            weights = np.ones(len(usable)) if self.weights is None else self.weights.astype(float)
            if target in self.present:
                present = self.present[target]
                rows = int((present & usable).sum())
                weights = np.where(present, weights * usable.sum() / max(rows, 1), 0)
            shape = (-1, 1, 1) if target == MASKS else (-1,)
            fields[self._field_of(target)] = weights.astype(np.float32).reshape(shape)
        return fields

    def select(self, rows: Rows) -> RowWeights:
        """Returns the weights of some rows."""
        return replace(
            self,
            weights=None if self.weights is None else self.weights[rows],
            present={name: present[rows] for name, present in self.present.items()},
        )

    def notes(self, usable: Present) -> list[str]:
        """Returns how many rows lack a target, as sentences."""
        notes = []
        for target, present in self.present.items():
            missing = int((~present & usable).sum())
            if missing:
                found = int(usable.sum()) - missing
                notes.append(
                    f"{target}: {missing:,} of {int(usable.sum()):,} rows have no number. Their "
                    f"target is 0 with weight 0 for this output; the weights of the other {found:,}"
                    f" are multiplied by {usable.sum() / max(found, 1):.4g}. Compile with "
                    "`weighted_metrics`: `metrics` ignore the weights."
                )
        return notes

    def _field_of(self, target: str) -> str:
        names = list(field_names(self.targets))
        has_own = len(names) > 1 and (target in self.present or target == MASKS)
        return weight_field(target) if has_own else SAMPLE_WEIGHT


def weight_columns(sample_weight: str | None) -> list[str]:
    """Returns the columns that the argument `sample_weight` names.

    Raises:
        TypeError: If it is not the name of a column.
    """
    if sample_weight is None:
        return []
    if not isinstance(sample_weight, str):
        raise TypeError(
            "`sample_weight` must be the name of a column; add values in memory to the table "
            "first, as df.assign(weight=values). Received: sample_weight of type "
            f"{type(sample_weight).__name__}"
        )
    return [sample_weight]


def read_weights(table: Columns, sample_weight: str | None) -> Numbers:
    """Reads the column of weights, if there is one."""
    numbers = Numbers()
    for column in weight_columns(sample_weight):
        weights = numbers.add(table.values[column], column, weights=True)
        if not weights.any() and not numbers.problems:
            raise PackError(
                f"{table.name}, column {column!r}: all weights are 0, so that no row would count."
            )
    return numbers


def weigh_targets(
    targets: Structure | None, weights: Numbers, present: Mapping[str, Present]
) -> RowWeights | None:
    """Returns the sample weights of a table, or `None` if every row counts alike.

    Args:
        targets: The roles of the targets.
        weights: The column of weights, as `read_weights` returns it.
        present: As in `RowWeights`.

    Raises:
        ValueError: If there are weights without targets.
    """
    if not weights.values and not present:
        return None
    if targets is None:
        raise ValueError(
            "`sample_weight` needs targets, which are weighted: pass `label` or `target`."
        )
    return RowWeights(targets, weights.values[0] if weights.values else None, present)


def check_weight_fields(weights: RowWeights | None, fields: Mapping[str, Any]) -> None:
    """Refuses weights whose field has the name of another one."""
    taken = set() if weights is None else set(field_names(weights.structure)) & set(fields)
    if taken:
        raise ValueError(
            f"`label`, `target`, `image` and `text` must not name a field {sorted(taken)}, which "
            "holds the sample weights. Pass a dict of field -> column."
        )
