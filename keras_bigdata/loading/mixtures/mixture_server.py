"""Serves the epochs of a mixture of sets."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

from keras_bigdata.arguments import checked_int
from keras_bigdata.loading.batches.batch_loader import LoaderConfig
from keras_bigdata.loading.epochs.describe import describe_part
from keras_bigdata.loading.epochs.epoch_server import EpochServer
from keras_bigdata.loading.epochs.server_state import data_fingerprint
from keras_bigdata.loading.mixtures.mixture_loader import MixtureConfig
from keras_bigdata.shards.fields.roles import Roles


class MixtureServer(EpochServer):
    """An `EpochServer` of a `MixtureConfig`."""

    config: MixtureConfig

    @property
    def sources(self) -> dict[str, tuple[LoaderConfig, Roles]]:
        """The config and the roles of each set by its name."""
        names = zip(self.config.names, self.config.sets, strict=True)
        return {name: (each, each.roles) for name, each in names}

    def describe(self) -> dict[str, Any]:
        """Returns the values that a notebook shows of a mixture, by name."""
        config = self.config
        sets = zip(config.names, config.sets, config.weights, strict=True)
        skipped = self.corrupt_shards.found()
        return {
            "sets": {
                name: f"weight {weight}, {each.loader().num_samples:,} rows in "
                f"{each.index.directory}"
                for name, each, weight in sets
            },
            "rows per epoch": f"{self.num_samples:,}",
            "batches per epoch": f"{self.length:,} of {config.batch_size:,} rows",
            "part of each batch": describe_part(config) or None,
            "epoch": self.state.epoch,
            "skipped shards": len(skipped) or None,
        }

    def _pad_to_longest(self) -> None:
        lengths = [each.loader().longest_rows() for each in self.config.sets]
        sets = [
            replace(each, decode=replace(each.decode, min_lengths=longest))
            for each, longest in zip(self.config.sets, lengths, strict=True)
        ]
        self.config = replace(self.config, sets=tuple(sets))
        self._new_prefetcher()

    def _identity(self) -> dict[str, Any]:
        config = self.config
        return {
            "batch_size": config.batch_size,
            "steps_per_epoch": config.steps,
            "weights": list(config.weights),
            "sets": {
                name: {
                    "num_samples": each.loader().num_samples,
                    "num_shards": len(each.index),
                    "shuffle": each.shuffle,
                    "window_shards": each.window_shards,
                    "balance": each.balance and each.balance.field,
                    "selection": each.selection and each.selection.identity(),
                    **each.decode.identity(),
                }
                for name, each in zip(config.names, config.sets, strict=True)
            },
            # Rows of the sets lie in a batch in this order.
            "order": list(config.names),
            "seed": [each.seed for each in config.sets],
            "fingerprint": [data_fingerprint(each.index) for each in config.sets],
        }

    def _with_seed(self, seed: Any) -> EpochServer:
        config = self.config
        if not isinstance(seed, (list, tuple)) or len(seed) != len(config.sets):
            raise ValueError(
                f"The state belongs to another sequence: a Mixture of {len(config.sets)} sets has "
                f"as many seeds. Received: seed={seed!r}"
            )
        seeds = [checked_int(each, "seed", 0) for each in seed]
        if seeds == [each.seed for each in config.sets]:
            return self
        sets = tuple(replace(old, seed=new) for old, new in zip(config.sets, seeds, strict=True))
        return self._copy(replace(config, sets=sets, seed=seeds[0]), None, self.state.fixed)

    def _warn_of_predict(self) -> None:
        if not self._warned_of_predict:
            self._warned_of_predict = True
            warnings.warn(
                "`predict` receives rows of all sets of this Mixture, some of them more than once. "
                "Pass the `unshuffled()` of each set to receive a prediction of every row, in the "
                "order of the files.",
                stacklevel=4,
            )
