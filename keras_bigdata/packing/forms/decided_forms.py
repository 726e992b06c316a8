"""How a pack stores its fields: decided when it begins, recorded, and kept when it continues.

Two decisions cannot be repeated later, for example after a file was removed: the choice of
`store="auto"`, and the average size of rows, which determines the rows of a shard. The manifest of
an unfinished pack and the index record them as `"stored"`:

- `store`: the form that `store="auto"` has chosen;
- `row_bytes`: field -> average bytes of a stored row, where rows have no fixed size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keras_bigdata.images.jpeg import simplejpeg
from keras_bigdata.packing.samples.stored_form import StoredForm, forms_of
from keras_bigdata.shards.fields.entries import Field
from keras_bigdata.storage.paths.remote_path import RemotePath

# The entry of the manifest and of the index.
STORED = "stored"

_STORE, _ROW_BYTES = "store", "row_bytes"


@dataclass(frozen=True, slots=True)
class DecidedForms:
    """The forms of the fields of a pack.

    Args:
        forms: field -> `StoredForm`.
        store: the form that was chosen, if the source leaves it open. Defaults to `None`.
        reason: why, if it was chosen now. Defaults to `""`.
    """

    forms: Mapping[str, StoredForm] = field(default_factory=dict)
    store: str | None = None
    reason: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """The record for manifest and index, as JSON; empty if all forms follow from the source."""
        row_bytes = {
            name: form.row_bytes for name, form in self.forms.items() if form.row_bytes is not None
        }
        return {
            **({} if self.store is None else {_STORE: self.store}),
            **({_ROW_BYTES: row_bytes} if row_bytes else {}),
        }

    def notes(self) -> list[str]:
        """Returns the notes that `pack` prints about the forms."""
        notes = [f'store="auto" chose "{self.store}": {self.reason}.'] if self.reason else []
        has_jpeg = any(form.codec == "jpeg" for form in self.forms.values())
        if has_jpeg and simplejpeg() is None:
            notes.append(
                'JPEG is decoded about 1.8 times as fast after `pip install "keras_bigdata[jpeg]"`.'
            )
        return notes


def decide_forms(
    source: Any,
    recorded: Any,
    directory: Path | RemotePath,
    *,
    variants: int,
    fields: Mapping[str, Field] | None = None,
) -> DecidedForms:
    """Decides how the fields of a source are stored.

    Args:
        source: the source. Its form is open if it has `is_store_open`, and `choose_store` then
            chooses, by a measurement.
        recorded: the record of the same pack, which is continued or repaired; else `None`.
        directory: where the shards will be written.
        variants: number of copies of the rows.
        fields: the fields of the set that the source is appended to, which must be stored in the
            same form. Defaults to `None`.
    """
    if not getattr(source, "is_store_open", False):
        return DecidedForms(_with_recorded_sizes(forms_of(source), recorded))
    store, reason = _recorded_store(recorded), ""
    if store is None and fields is not None:
        # `append` reports the fields that the set does not have.
        codecs = {fields[name].codec for name in source.image_fields if name in fields}
        store = "jpeg" if codecs == {"jpeg"} else "pixels"
    if store is None:
        chosen = source.choose_store(directory, variants)
        store, reason = chosen.store, chosen.reason
    return DecidedForms(_with_recorded_sizes(source.forms_as(store), recorded), store, reason)


def _recorded_store(recorded: Any) -> str | None:
    store = recorded.get(_STORE) if isinstance(recorded, Mapping) else None
    return store if store in ("pixels", "jpeg") else None


def _with_recorded_sizes(
    forms: Mapping[str, StoredForm], recorded: Any
) -> Mapping[str, StoredForm]:
    sizes = recorded.get(_ROW_BYTES) if isinstance(recorded, Mapping) else None
    if not isinstance(sizes, Mapping):
        return forms
    return {
        name: replace(form, row_bytes=sizes[name]) if type(sizes.get(name)) is int else form
        for name, form in forms.items()
    }
