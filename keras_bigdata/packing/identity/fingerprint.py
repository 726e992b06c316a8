"""The identity of a pack: two calls of `pack` with equal fingerprints write the same bytes.

`index.json` and the manifest of an unfinished pack hold a fingerprint as JSON, with these entries:

- `source`: the result of `source.fingerprint()`, or else class, number of rows and a digest of the
  first row;
- `arguments`: those of `pack` that determine the output; `augment` as `describe_function`
  describes it;
- `roles`: those that the source declares, or `null`. Release 0.1 did not record them;
- `forms`: how a custom source stores the fields that are not stored as arrays (see `stored_form`),
  if there are any. The size of a row is not one of these entries;
- `files`: sizes and times of the files that a source of this package reads, if it reads any (see
  `file_changes`). They are compared apart from the other entries, and not with records of earlier
  releases, which lack them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.packing.identity.file_changes import FileChanges, compare_files, record_files
from keras_bigdata.packing.identity.function_fingerprint import describe_function
from keras_bigdata.packing.identity.release_0_1 import MAIN_MODULES, match_record
from keras_bigdata.packing.samples.samples import Array, AugmentFunction
from keras_bigdata.packing.samples.stored_form import declared_ragged, forms_of
from keras_bigdata.packing.sources.base import Source
from keras_bigdata.shards.fields.roles import Roles

# Stands for an item that one of two fingerprints does not have.
_ABSENT: Any = object()

# Entries of a source that fingerprints of earlier releases lack.
_LATER_ENTRIES = {"first_row_sha256"}


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """The identity of a pack.

    Args:
        content: JSON with the entries `source`, `arguments`, `roles` and perhaps `forms` and
            `files`.
        augment: the function that `content["arguments"]["augment"]` describes.
        files: the files that `content["files"]` describes.
    """

    content: Mapping[str, Any]
    augment: AugmentFunction | None
    files: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        source: Any,
        arguments: Mapping[str, Any],
        roles: Roles | None,
        read_first_row: Callable[[], Mapping[str, Array]],
    ) -> Fingerprint:
        """Computes the fingerprint of a call of `pack`.

        Args:
            source: the source.
            arguments: name -> value of the arguments that decide what is written.
            roles: the roles that the source declares.
            read_first_row: reads the first row; called if the source has no `fingerprint()`, or if
                its class has changed how the rows of a source of this package are read.

        Raises:
            TypeError: if the source's `fingerprint()` does not return plain JSON.
        """
        augment = arguments["augment"]
        described = None if augment is None else describe_function(augment)
        content = {
            "source": _describe_source(source, read_first_row),
            "arguments": {**arguments, "augment": described},
            "roles": None if roles is None else roles.to_json(),
        }
        # The fingerprints of this package's sources say how their fields are stored.
        forms = {} if isinstance(source, Source) else forms_of(source)
        if forms:
            content["forms"] = {name: form.to_json() for name, form in sorted(forms.items())}
        files = list(source.source_files()) if isinstance(source, Source) else []
        if files:
            content["files"] = record_files(files)
        try:
            return cls(json.loads(json.dumps(content)), augment, files)
        except (TypeError, ValueError) as error:
            raise TypeError(f"`source.fingerprint()` must return plain JSON: {error}") from error

    def changes_since(self, recorded: Mapping[str, Any]) -> str:
        """Returns which items differ from a recorded fingerprint, with both values.

        What release 0.1 recorded is compared as far as it goes: it has no `roles`, and only name,
        arguments and bytecode of `augment` (see `is_certain`). Files are not compared here.

        Args:
            recorded: the content of another fingerprint.

        Returns:
            A list as text, such as `"arguments.seed was 0 and is 1"`; empty if nothing differs.
        """
        now = dict(self.content)
        now.pop("files", None)
        if "roles" not in recorded:
            del now["roles"]
        now["source"] = _without_later_entries(now["source"], recorded.get("source"))
        names = (*now, "forms") if "forms" in recorded else now
        before = {name: recorded[name] for name in names if name in recorded}
        record = _augment_record(recorded)
        if isinstance(record, str) and self._match(record) != "different":
            arguments = {**recorded["arguments"], "augment": now["arguments"]["augment"]}
            before = {**before, "arguments": arguments}
        return differences(before, now)

    def file_changes_since(self, recorded: Mapping[str, Any]) -> FileChanges:
        """Returns how the files differ from those of a recorded fingerprint."""
        return compare_files(recorded.get("files"), self.files)

    def is_certain(self, recorded: Mapping[str, Any]) -> bool:
        """Returns whether a recorded fingerprint without changes proves that `augment` is the same.

        It does not if release 0.1 recorded different bytecode: the function may have changed, or
        only the version of Python.
        """
        record = _augment_record(recorded)
        return not isinstance(record, str) or self._match(record) == "equal"

    def _match(self, record: str) -> str:
        return "different" if self.augment is None else match_record(record, self.augment)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Lists the items in which two fingerprints differ, with both values.

    The name of a module and `__main__` are equal: the module may have been run as a script.

    Args:
        before, now: JSON, as `Fingerprint.content`.

    Returns:
        A list as text, such as `"source.rows was 20 and is 21"`; empty if nothing differs.
    """
    return "; ".join(_differences(before, now, ""))


def _differences(before: Any, now: Any, item: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            name = f"{item}.{key}" if item else key
            if key in ("source", "bytecode") and "name" in now:
                name += f" of {now['name']!r}"
            yield from _differences(before.get(key, _ABSENT), now.get(key, _ABSENT), name)
    elif _holds_mappings(before) and _holds_mappings(now) and len(before) == len(now):
        for position, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from _differences(old, new, f"{item}[{position}]")
    elif not _are_equal(before, now, item.rpartition(".")[2]):
        yield f"{item} was {_preview(before)} and is {_preview(now)}"


def _holds_mappings(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in value)


def _are_equal(before: Any, now: Any, key: str) -> bool:
    if before is _ABSENT or now is _ABSENT:
        return before is now
    if isinstance(before, str) and isinstance(now, str):
        if key == "module" and (before in MAIN_MODULES or now in MAIN_MODULES):
            return True
        if key == "kind":  # "module.Class" of a source without `fingerprint()`
            for name, other in ((before, now), (now, before)):
                for main in MAIN_MODULES:
                    if name.startswith(f"{main}.") and other.endswith(name.removeprefix(main)):
                        return True
    # Compared as JSON, where 1, 1.0 and true differ.
    return json.dumps(before, sort_keys=True) == json.dumps(now, sort_keys=True)


def _preview(value: Any) -> str:
    text = "absent" if value is _ABSENT else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _augment_record(recorded: Mapping[str, Any]) -> Any:
    arguments = recorded.get("arguments")
    return arguments.get("augment") if isinstance(arguments, Mapping) else None


def _without_later_entries(source: Any, recorded: Any) -> Any:
    """Returns the description of a source without the entries that earlier releases lacked."""
    if not isinstance(source, Mapping) or not isinstance(recorded, Mapping):
        return source
    return {
        name: value
        for name, value in source.items()
        if name in recorded or name not in _LATER_ENTRIES
    }


def _describe_source(source: Any, read_first_row: Callable[[], Mapping[str, Array]]) -> Any:
    described = _describe_rows(source, read_first_row)
    ragged = declared_ragged(source)
    if ragged and isinstance(described, Mapping):
        described = {**described, "ragged": ragged}
    return described


def _describe_rows(source: Any, read_first_row: Callable[[], Mapping[str, Array]]) -> Any:
    if hasattr(source, "fingerprint"):
        described = source.fingerprint()
        if isinstance(source, Source) and source.reads_rows_its_own_way():
            described = {**described, "first_row_sha256": _digest_first_row(read_first_row)}
        return described
    kind = type(source)
    described = {"kind": f"{kind.__module__}.{kind.__qualname__}", "rows": len(source)}
    if not len(source):
        return described
    return {**described, "first_row_sha256": _digest_first_row(read_first_row)}


def _digest_first_row(read_first_row: Callable[[], Mapping[str, Array]]) -> str | None:
    try:
        sample = read_first_row()
    except PackError:
        return None
    digest = hashlib.sha256()
    for name, value in sample.items():
        digest.update(f"{name} {value.dtype} {value.shape}".encode() + value.tobytes())
    return digest.hexdigest()
