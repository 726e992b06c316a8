"""Adds a source to a packed set: its shards, classes and words, and the record of its pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError, ShardError
from keras_bigdata.images.resizing import Form
from keras_bigdata.packing.calls.pack_records import (
    APPENDED_KEY,
    PackRecord,
    next_shard,
    pack_records,
)
from keras_bigdata.packing.identity.fingerprint import differences
from keras_bigdata.packing.planning.plan import PackPlan
from keras_bigdata.packing.planning.renumbering import (
    Renumbering,
    extend_classes,
    extend_words,
    format_names,
    renumber_labels,
    renumber_tokens,
)
from keras_bigdata.packing.state.shard_record import ShardRecord
from keras_bigdata.shards.fields.roles import Roles, field_names
from keras_bigdata.shards.fields.standard_fields import TEXTS, class_field
from keras_bigdata.shards.index.shard_index import Field, ShardIndex
from keras_bigdata.shards.reading.class_counts import add_counts


@dataclass(frozen=True, slots=True, eq=False)
class Append:
    """The addition of a source to a packed set.

    Args:
        index: the index of the set.
        number: the number of the pack, one more than the largest in the index.
        plan: the plan of the new shards, with their numbers in the set.
        classes: the classes of the set, continued by those of the source.
        vocabulary: the words of the set, continued by those of the source.
    """

    index: ShardIndex
    number: int
    plan: PackPlan
    classes: Any
    vocabulary: list[str] | None

    @classmethod
    def of(cls, index: ShardIndex, plan: PackPlan) -> Append:
        """Plans the addition.

        Args:
            index: the index of the set.
            plan: the plan of the source, as if it were packed into a directory of its own.

        Raises:
            PackError: if fields, roles, metadata columns or variants are not those of the set, or
                if the classes or words cannot be continued.
        """
        try:
            _check_layout(index, plan)
            classes, vocabulary, renumbering = extend_names(index, plan)
            _compare("the fields", index.fields, plan.fields, _FIELDS_REMEDY)
            _check_forms(index, plan)
        except PackError as error:
            raise PackError(
                f"{index.directory}: the source cannot be appended: {str(error).rstrip('.')}."
            ) from error
        number = 1 + max(int(index.source.max(initial=0)), pack_records(index)[-1].number)
        plan = replace(plan, number=number, first_shard=next_shard(index), renumbering=renumbering)
        return cls(index, number, plan, classes, vocabulary)

    def extended_index(
        self, records: Sequence[ShardRecord], skipped: Sequence[Mapping[str, Any]]
    ) -> ShardIndex:
        """Returns the index of all shards, the former ones and the new ones.

        Args:
            records: the records of the new shards.
            skipped: the rows of the source that were left out.
        """
        index, plan = self.index, self.plan
        infos = [index[shard] for shard in range(len(index))]
        infos += [info for record in records for info in record.shards]
        try:
            class_counts = add_counts(
                [index.class_counts, *(record.counts for record in records)], self.classes
            )
        except ShardError as error:
            raise PackError(f"the source: {error}") from error
        content = {"skipped": list(skipped), **plan.content}
        record = PackRecord(self.number, plan.first_shard, content)
        appended = [*index.provenance.get(APPENDED_KEY, []), record.to_json()]
        return ShardIndex.from_shards(
            index.directory,
            index.fields,
            sorted(infos, key=lambda info: info.variant),
            index.columns,
            roles=index.roles,
            classes=self.classes,
            class_counts=class_counts,
            vocabulary=self.vocabulary,
            variants=index.variants,
            provenance={**index.provenance, APPENDED_KEY: appended},
        )


def extend_names(index: ShardIndex, plan: PackPlan) -> tuple[Any, list[str] | None, Renumbering]:
    """Continues classes and vocabulary of a set by those of a source.

    Args:
        index: the index of the set.
        plan: the plan of the source.

    Returns:
        `(classes, vocabulary, renumbering)`: the continued lists, and the numbers that the classes
        and words of the source have in them.

    Raises:
        PackError: if they cannot be continued.
    """
    numbers: dict[str, npt.NDArray[np.int64]] = {}
    known = _classes_by_field(index.classes, index.roles)
    lists = _classes_by_field(plan.classes, plan.roles)
    if known.keys() != lists.keys():
        raise PackError(
            f"the classes are {format_names(index.classes)} in the directory and "
            f"{format_names(plan.classes)} in the source. {_describe_missing(index.classes)}"
        )
    extended = {}
    for field, names in lists.items():
        classes = extend_classes(known[field], names)
        extended[field] = classes.names
        changed = renumber_labels(plan.fields.get(field), field, classes)
        if changed is not None:
            numbers[field] = changed
    if (index.vocabulary is None) != (plan.vocabulary is None):
        raise PackError(
            f"the vocabulary is {format_names(index.vocabulary)} in the directory and "
            f"{format_names(plan.vocabulary)} in the source"
        )
    vocabulary = index.vocabulary
    if index.vocabulary is not None and plan.vocabulary is not None:
        words = extend_words(index.vocabulary, plan.vocabulary)
        vocabulary = words.names
        if not words.is_unchanged:
            for name in _text_fields(plan):
                numbers[name] = renumber_tokens(plan.fields.get(name), words)
    is_list = isinstance(index.classes, list)
    all_classes = next(iter(extended.values())) if is_list else extended or None
    return all_classes, vocabulary, Renumbering(numbers)


def _text_fields(plan: PackPlan) -> Sequence[str]:
    """Returns the fields of token ids, which have to be renumbered.

    Raises:
        PackError: if the source does not declare them, and several fields may be such fields.
    """
    if plan.text_fields is not None:
        return plan.text_fields
    others = [
        name
        for name in field_names(plan.roles.inputs)
        if name != TEXTS
        and plan.fields[name].dtype.kind in "iu"
        and len(plan.fields[name].shape) == 1
    ]
    if others:
        raise PackError(
            f"the words have other numbers in the source, and its field {others[0]!r} of integers "
            "may hold numbers of words or other numbers. Create the source with `vocabulary` of "
            "the directory, or name its fields of words in an attribute `text_fields`"
        )
    return (TEXTS,)


_FIELDS_REMEDY = (
    "Create the source with the same arguments as the first one (`size`, `store`, `text_length`, "
    "dtypes)"
)


def _check_layout(index: ShardIndex, plan: PackPlan) -> None:
    """Checks that roles, metadata columns and variants of a source are those of a set."""
    if index.roles != plan.roles:
        ours, theirs = (_format_roles(each) for each in (index.roles, plan.roles))
        raise PackError(
            f"the roles differ. They are {ours} in the directory and {theirs} in the source"
        )
    if index.variants != plan.variants:
        raise PackError(
            f"the variants differ. They are {index.variants} in the directory and {plan.variants} "
            "in this call"
        )
    remedy = (
        "Pass the same `keep`"
        if index.columns
        else "The directory was packed by an earlier release, without such columns: pack its "
        "source again, or pack this one into another directory and join both: Shards([...])"
    )
    _compare("the metadata columns", index.columns, plan.columns, remedy)


def _check_forms(index: ShardIndex, plan: PackPlan) -> None:
    """Checks that images are resized and encoded as those of the set are."""
    before, now = _recorded_resizing(index.provenance), _recorded_resizing(plan.fingerprint.content)
    if before and now and before != now:
        raise PackError(
            f"the images are resized in different ways: {before} in the directory and {now} in the "
            "source. Create the source with the same `resize` and `interpolation`"
        )
    ours, theirs = _recorded_forms(index.provenance), _recorded_forms(plan.fingerprint.content)
    is_encoded = any(field.codec == "jpeg" for field in index.fields.values())
    # A directory whose index was lost does not record them.
    if is_encoded and ours and theirs and differences(ours, theirs):
        raise PackError(
            f"the images are encoded in different ways: {ours} in the directory and {theirs} in "
            "the source. Create the source with the same `store` and `quality`"
        )


def _recorded_resizing(content: Mapping[str, Any]) -> dict[str, str]:
    """Returns how image files were resized, as the record of a pack has it; `{}` if they were not.

    A record has only what is not the default of image sources.
    """
    source = content.get("source")
    if not isinstance(source, Mapping) or not source.get("size"):
        return {}
    default = Form()
    return {
        "resize": source.get("resize", default.resize),
        "interpolation": source.get("interpolation", default.interpolation),
    }


def _recorded_forms(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the quality of images that the record of a pack has."""
    source = content.get("source")
    quality = source.get("quality") if isinstance(source, Mapping) else None
    forms = content.get("forms") or ({} if quality is None else {"quality": quality})
    return dict(forms) if isinstance(forms, Mapping) else {}


def _compare(
    what: str, ours: Mapping[str, Field], theirs: Mapping[str, Field], remedy: str
) -> None:
    if dict(ours) != dict(theirs):
        lists = [", ".join(sorted(map(str, each.values()))) or "none" for each in (ours, theirs)]
        raise PackError(
            f"{what} differ. They are {lists[0]} in the directory and {lists[1]} in the source. "
            f"{remedy}"
        )


def _classes_by_field(classes: Any, roles: Roles) -> dict[str, list[Any]]:
    """Returns field -> classes; a list belongs to the only target or to `labels`."""
    if classes is None or isinstance(classes, Mapping):
        return dict(classes or {})
    return {class_field(roles.targets): classes}


def _describe_missing(classes: Any) -> str:
    if classes is None:
        return "Class numbers without names have no order that could be continued"
    return (
        "Whole numbers may be class numbers or names of classes: pass the labels as texts, or "
        "`classes` of the directory to a source of a table"
    )


def _format_roles(roles: Roles) -> str:
    return ", ".join(f"{role}={each!r}" for role, each in roles.to_json().items() if each)
