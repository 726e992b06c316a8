"""A call of `pack`: its source and the arguments that determine the output, checked."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_bigdata.arguments import checked_bool, checked_int
from keras_bigdata.errors import PackError
from keras_bigdata.packing.calls.source_argument import as_source
from keras_bigdata.packing.forms.decided_forms import DecidedForms, decide_forms
from keras_bigdata.packing.identity.fingerprint import Fingerprint
from keras_bigdata.packing.samples.samples import Array, AugmentFunction, read_row
from keras_bigdata.packing.samples.stored_form import forms_of
from keras_bigdata.shards.fields.entries import FILE_CODEC, Field
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.storage.paths.remote_path import RemotePath


class PackRequest:
    """The source that is to be packed, and how.

    Args:
        source: the source, or a list of dicts.
        shard_samples, shuffle, seed, variants, augment: as for `pack`.

    Raises:
        TypeError, ValueError: if an argument is of a wrong type or out of range.
    """

    def __init__(
        self,
        source: Any,
        *,
        shard_samples: int | None,
        shuffle: bool,
        seed: int,
        variants: int,
        augment: AugmentFunction | None,
    ) -> None:
        self.source = as_source(source)
        self.shard_samples = (
            None if shard_samples is None else checked_int(shard_samples, "shard_samples", 1)
        )
        self.shuffle = checked_bool(shuffle, "shuffle")
        self.seed = checked_int(seed, "seed", 0)
        self.variants = checked_int(variants, "variants", 1)
        if augment is not None and not callable(augment):
            raise TypeError(f"`augment` must be a function. Received: augment={augment!r}")
        if self.variants > 1 and augment is None:
            raise ValueError(
                f"`variants={variants}` needs `augment`: without it all copies would be equal."
            )
        self.augment = augment
        self._forms: DecidedForms | None = None

    @functools.cached_property
    def fingerprint(self) -> Fingerprint:
        """The identity of the pack."""
        arguments = {
            "shard_samples": self.shard_samples,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "variants": self.variants,
            "augment": self.augment,
        }
        return Fingerprint.of(self.source, arguments, self.declared_roles, self.read_first_row)

    @property
    def forms(self) -> DecidedForms:
        """How the fields are stored, as `decide_forms` has decided.

        Before that, as the source declares it.
        """
        if self._forms is None:
            self._forms = DecidedForms(forms_of(self.source))
        return self._forms

    def decide_forms(
        self, directory: Path | RemotePath, recorded: Any, fields: Mapping[str, Field] | None = None
    ) -> None:
        """Decides how the fields are stored, as `decide_forms` of `decided_forms` does.

        Raises:
            ValueError: if files that are stored as they are should be augmented.
        """
        decided = decide_forms(
            self.source, recorded, directory, variants=self.variants, fields=fields
        )
        files = [name for name, form in decided.forms.items() if form.codec == FILE_CODEC]
        if self.augment is not None and files:
            raise ValueError(
                f'`augment` changes pixels, and store="file" stores the files of {files[0]!r} as '
                'they are. Pass store="jpeg" or "pixels" with a `size` to the source to store '
                "augmented images, or leave out `augment`, and pass `transform` to ShardSequence "
                "to change them when they are read."
            )
        self._forms = decided

    @functools.cached_property
    def declared_roles(self) -> Roles | None:
        """The `roles` of the source; `None` if it has none."""
        roles = getattr(self.source, "roles", None)
        if isinstance(roles, Mapping):
            return Roles.from_json(roles)
        if roles is not None and not isinstance(roles, Roles):
            raise TypeError(
                '`source.roles` must be a dict such as {"inputs": "images", "targets": "labels"}. '
                f"Received: {roles!r}"
            )
        return roles

    def read_first_row(self) -> dict[str, Array]:
        """Returns row 0 of the source, which is read only once.

        Raises:
            PackError: if it cannot be read.
        """
        if isinstance(self._first_row, PackError):
            raise self._first_row
        return self._first_row

    @functools.cached_property
    def _first_row(self) -> dict[str, Array] | PackError:
        try:
            return read_row(self.source, 0)
        except PackError as error:
            return error
