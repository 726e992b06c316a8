"""What a validation set must have in common with the data that the model is trained on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from keras_bigdata.keras_internals.callbacks import fit_input
from keras_bigdata.loading.batches.batch_loader import LoaderConfig
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset
from keras_bigdata.loading.epochs.epoch_server import EpochServer
from keras_bigdata.loading.epochs.open_servers import servers_in_use
from keras_bigdata.loading.sequence import ShardSequence
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.reading.different_classes import different_classes


class TrainingData:
    """Compares validation sets with the training data, as soon as these are known.

    Args:
        train: the sequence of the training; `None` to find it: the one that `fit` received, or all
            sequences whose batches were requested in the first epoch.
        sets: the validation sets by name, as datasets.
        directories: name -> path, as Python code, of the sets that are read without a transform.
        check_classes: whether classes must be numbered alike.
    """

    def __init__(
        self,
        train: EpochDataset | None,
        sets: Mapping[str, Any],
        directories: Mapping[str, str],
        check_classes: bool,
    ) -> None:
        self._train = train
        self._sets = {n: s for n, s in sets.items() if isinstance(s, ShardSequence)}
        for data in self._sets.values():
            data.server.compares_classes = False  # compared here, unless `check_classes=False`
        self._directories = directories
        self._check_classes = check_classes
        self._begun: float | None = None

    def begin(self) -> None:
        """Compares the sets if the training data are known; called when training begins.

        Raises:
            ValueError: if a set does not belong to the training data.
        """
        train: Any = self._train
        if train is None:
            received = fit_input()
            train = received and received.dataset
        self._begun = None
        if isinstance(train, EpochDataset):
            self._compare(train.server)
        else:
            self._begun = time.monotonic()

    def compare_once(self) -> None:
        """Compares the sets if `begin` could not; called after an epoch.

        Raises:
            ValueError: if a set does not belong to the training data.
        """
        begun, self._begun = self._begun, None
        if begun is not None:
            for server in servers_in_use(begun):
                self._compare(server)

    def _compare(self, train: EpochServer) -> None:
        for config, roles in train.sources.values():
            self._compare_with(config, roles)

    def _compare_with(self, config: LoaderConfig, roles: Roles) -> None:
        for name, data in self._sets.items():
            if self._check_classes:
                difference = different_classes(
                    config.index, data.index, roles.targets, data.roles.targets
                )
                if difference:
                    raise ValueError(
                        f"Validation set {name!r} does not number its classes or words as the "
                        f"training data: {difference}. Pack it again with classes=ShardIndex.load("
                        f"{str(config.index.directory)!r}) (and the same `vocabulary`). If a "
                        "`transform` makes the numbers equal, pass check_classes=False."
                    )
            if config.transform is not None and name in self._directories:
                path = self._directories[name]
                transform = getattr(config.transform, "__qualname__", repr(config.transform))
                raise ValueError(
                    f"Validation set {name!r} is a directory, which is read without a transform, "
                    f"and the training has transform={transform}. If it prepares the rows for the "
                    f"model, pass ShardSequence({path}, transform={transform}) as the set. If it "
                    f"augments them, pass ShardSequence({path})."
                )
