"""Validation on several sets, with one exact result over all of them."""

from __future__ import annotations

import contextlib
import copy
import functools
import reprlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from keras_bigdata.arguments import checked_bool, checked_choice, checked_int
from keras_bigdata.callbacks.shared.keyboard_interrupt import RaiseKeyboardInterrupt
from keras_bigdata.callbacks.shared.monitor import print_below_progress
from keras_bigdata.callbacks.validation.callback_order import check_order
from keras_bigdata.callbacks.validation.divided_sets import DividedSet, divide, divides_evaluation
from keras_bigdata.callbacks.validation.metric_states import MetricStateSum, custom_metric_names
from keras_bigdata.callbacks.validation.requested_roles import (
    RequestedRoles,
    check_options_are_used,
    check_roles_are_used,
    is_path,
)
from keras_bigdata.callbacks.validation.test_step import (
    describe_figures_of_one_batch,
    figures_of_one_batch,
)
from keras_bigdata.callbacks.validation.training_data import TrainingData
from keras_bigdata.callbacks.validation.validation_data import (
    NamedArrays,
    has_unknown_length,
    name_sets,
    open_set,
)
from keras_bigdata.keras_internals.callbacks import (
    RAN_OUT_OF_DATA,
    callback_list,
    metrics_not_reset,
)
from keras_bigdata.keras_internals.distribution import num_replicas
from keras_bigdata.keras_internals.output_losses import OutputLossesPerRow
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset
from keras_bigdata.shards.shards import Shards


class WeightedValidation(keras.callbacks.Callback):
    """Evaluates validation sets at the end of each epoch, weighted by their size.

    It writes to the logs of the epoch

    - `val_loss` and `val_<metric>`: over all sets together,
    - `val_<set>_loss` and `val_<set>_<metric>`: of each set (not if there is a single set without
      a name).

    The result over all sets is that of one `model.evaluate` over the batches of all sets: not an
    average of results, but the result of the sum of the metrics' states. So it is correct for AUC,
    Precision, Recall, F1, MeanIoU and R2 too, with sample weights and with several outputs. It is
    unknown whether the states of custom metrics can be added. If there are any, all sets are
    evaluated a second time, for the results of these metrics.

    If a `keras.distribution` joins several processes, the rows of each set are divided among them,
    and the result is that of one process, for unweighted metrics too; sets are then arrays or
    shards. The states of custom metrics cannot be divided: if there are any, each process evaluates
    all rows.

    `val_<output>_loss` of a model with several outputs is an average over rows on all backends. (In
    `evaluate` on TensorFlow it is one over batches, in which a smaller last batch counts as much as
    the others.) Only losses with `reduction="sum"` depend on the `batch_size`, as in Keras.

    List it **before** the callbacks that read its results: `EarlyStopping`, `ModelCheckpoint`,
    `ReduceLROnPlateau`, `CSVLogger`, `TensorBoard`, `BestWeightsEarlyStopping`, `ScoreLog`. If one
    stands before it, training does not begin: an error names it. Custom callbacks are found by an
    attribute `monitor` that begins with `val_`. History and the progress bar show the results too.
    The callback replaces `fit(validation_data=...)`.

    Args:
        sets: one set, or a list or a dict of sets. The sets of a list are named `"0"`, `"1"`, ...
            A set is
            - a tuple `(x, y)` or `(x, y, sample_weight)`; `x` is an array of shape
              `(samples, ...)` or a tuple, list or dict of arrays, `y` likewise; or `(x,)` for a
              model that needs no targets,
            - a dict of arrays such as `{"images": ..., "texts": ..., "labels": ...}`,
            - a `keras.utils.PyDataset` or a `tf.data.Dataset` of batches,
            - a `Shards`, or the path or URL of a directory of shards, read in order with
              `batch_size` and without a `transform`. If training uses a `transform`, this is
              refused: pass a `ShardSequence` with the same one if it prepares the rows, or without
              if it augments them,
            - a `ShardSequence`, whose unshuffled view is evaluated; the sequence itself is not
              read.
        batch_size: samples per batch of arrays and shards. Defaults to `32`.
        freq: evaluate every `freq`-th epoch. The other epochs have no `val_` keys. Defaults to
            `1`.
        per_set: whether to log the results of each set too. If `False`, all sets are evaluated as
            one, and no metric needs a second evaluation. Defaults to `True`.
        verbose: 1 to print a line per set and one for all, or 0. Defaults to `0`.
        inputs: which fields of a dict of arrays, or of a directory of shards, are the inputs: a
            name, a tuple of names in the model's order, or a dict from the model's input names to
            fields. If `None`, those in the index of the shards; the arrays of a dict are matched
            with the model's inputs by name, and a single one needs no name. Defaults to `None`.
        targets: which fields are the targets, in the same way; `None` for a model that is evaluated
            without targets. `"auto"` stands for those in the index of the shards, and for
            `"labels"` in a dict of arrays or shards without roles. Defaults to `"auto"`.
        sample_weights: which fields are sample weights, in the same way. If `None`, those in the
            index of the shards. Defaults to `None`.
        train: the `ShardSequence` or `Mixture` of the training, with which the sets are compared.
            With `None` it is the one that is passed to `fit`; if that receives something else, all
            sequences of which batches are requested during the first epoch. Defaults to `None`.
        check_classes: whether a set of shards is refused if it numbers its classes, or the words of
            its vocabulary, in another way than the training data. `False` is right if a
            `transform` makes the numbers equal. Defaults to `True`.
        storage_options: options of the fsspec driver of all sets that are URLs. A set with other
            options, or with a local cache, is passed as a `Shards`. Defaults to `None`.

    Raises:
        TypeError: if a set has another type.
        ValueError: if a set is empty or infinite, or its arrays do not fit together; while
            training: if a callback that reads the results stands before this one, if a set does
            not belong to the training data, if there are `val_` keys in the logs already, if the
            name of a set results in a key that an output or a metric of the model has too, or if
            a custom `test_step` returns numbers of one batch instead of results of metrics.
        RuntimeError: while training: if a set could not be evaluated; the message names the set.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_bigdata import WeightedValidation

    x, y = np.random.rand(100, 4), np.random.randint(0, 3, 100)
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    validation = WeightedValidation({"large": (x, y), "small": (x[:5], y[:5])})
    history = model.fit(x, y, epochs=2, callbacks=[validation]).history
    print(history["val_accuracy"], history["val_small_accuracy"])
    ```
    """

    _has_state = False  # there is no state of a training to save; see `callback_states`

    def __init__(
        self,
        sets: Any,
        *,
        batch_size: int = 32,
        freq: int = 1,
        per_set: bool = True,
        verbose: int = 0,
        inputs: Any = None,
        targets: Any = "auto",
        sample_weights: Any = None,
        train: EpochDataset | None = None,
        check_classes: bool = True,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        batch_size = checked_int(batch_size, "batch_size", 1)
        roles = RequestedRoles.check(inputs, targets, sample_weights)
        if train is not None and not isinstance(train, EpochDataset):
            raise TypeError(
                "`train` must be the ShardSequence of the training, or its Mixture. "
                f"Received: train of type {type(train).__name__}"
            )
        self.freq = checked_int(freq, "freq", 1)
        self.per_set = checked_bool(per_set, "per_set")
        self.verbose = checked_choice(verbose, "verbose", (0, 1))
        named, self._has_names = name_sets(sets)
        check_roles_are_used(roles, named.values())
        check_options_are_used(storage_options, named.values())
        self._sets = {
            name: open_set(name, data, batch_size, roles, storage_options)
            for name, data in named.items()
        }
        directories = {
            name: "shards" if isinstance(data, Shards) else repr(str(data))
            for name, data in named.items()
            if is_path(data)
        }
        check_classes = checked_bool(check_classes, "check_classes")
        self._training_data = TrainingData(train, self._sets, directories, check_classes)
        self._output_losses = OutputLossesPerRow()
        self._test_step_checked = False
        # The datasets for `evaluate`, once there is a model, and their division among processes.
        self._datasets: dict[str, Any] | None = None
        self._divided: dict[str, DividedSet] = {}
        self._warned_of_repetition = False
        self._measuring: list[Any] = []

    def __repr__(self) -> str:
        names = reprlib.Repr()
        names.maxlist = 4  # of 30 characters each
        sets = names.repr(list(self._sets))
        return f"{type(self).__name__}(sets={sets}, freq={self.freq}, per_set={self.per_set})"

    def __deepcopy__(self, memo: dict[int, Any]) -> WeightedValidation:
        # The copy shares the data of the sets, which may be most of the memory.
        copied = copy.copy(self)
        memo[id(self)] = copied
        return copied

    def set_params(self, params: dict[str, Any]) -> None:
        """Checks the order of the callbacks, before CSVLogger replaces its file."""
        super().set_params(params)
        callbacks = getattr(callback_list(), "callbacks", ())
        check_order(self, callbacks)
        self._measuring = [c for c in callbacks if getattr(c, "excludes_validation", False)]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Compares the sets with the training, and matches them with the model."""
        self._training_data.begin()
        self._output_losses = OutputLossesPerRow()
        self._test_step_checked = False
        self._datasets = self._datasets_for(self.model)
        outputs = getattr(self.model, "output_names", None) or []
        if self._logs_each_set() and len(outputs) > 1:
            for name in self._sets:
                if name in outputs:
                    raise ValueError(
                        f"Validation set {name!r} has the name of an output of the model, so "
                        f"'val_{name}_loss' would be ambiguous. Rename the set."
                    )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluates the sets, and writes the results to the logs."""
        logs = {} if logs is None else logs
        if (epoch + 1) % self.freq:
            return
        found = sorted(name for name in logs if name.startswith("val_"))
        if found:
            raise ValueError(
                f"WeightedValidation found {found} in the logs already. It replaces "
                "`fit(validation_data=...)` and must come before callbacks that log a validation: "
                "use one of them, and list WeightedValidation first."
            )
        for report in self._measuring:
            report.on_test_begin()
        self._training_data.compare_once()
        if self._datasets is None:
            self._datasets = self._datasets_for(self.model)
        with _keep_torch_generator():
            if not self._test_step_checked:
                self._check_test_step(self._datasets)
            combined, by_set = self._validate(self._datasets)
        logs.update(self._log_entries(combined, by_set))
        if self.verbose:
            start = f"Epoch {epoch + 1}: validation"
            for name, results in by_set.items():
                print_below_progress(self, f"{start} set {name}: {_format(results)}")
            print_below_progress(self, f"{start}: {_format(combined)}")

    def _datasets_for(self, model: Any) -> dict[str, Any]:
        datasets = {}
        self._divided = {}
        for name, data in self._sets.items():
            try:
                datasets[name] = data.batches(model) if isinstance(data, NamedArrays) else data
                if divides_evaluation():
                    self._divided[name] = divide(datasets[name])
                    datasets[name] = self._divided[name].repeated
            except ValueError as error:
                raise ValueError(f"Validation set {name!r}: {error}") from error
        return datasets

    def _logs_each_set(self) -> bool:
        return self.per_set and (self._has_names or len(self._sets) > 1)

    def _validate(
        self, datasets: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Returns the results over all sets, and those of each."""
        if self._divided:
            return self._validate_divided(datasets)
        return self._validate_whole(datasets)

    def _validate_divided(
        self, datasets: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Returns the same, from evaluations of a part of each set in each process."""
        model, total = self.model, MetricStateSum()
        by_set = {}
        names: set[str] = set()
        for name, divided in self._divided.items():
            states = MetricStateSum()
            for dataset, factor in divided.pieces:
                names.update(self._evaluate(name, dataset))
                states.add(model, factor)
                total.add(model, factor)
            by_set[name] = states.result(model)
        combined = total.result(model)
        if names == set(combined) and not custom_metric_names(model):
            return combined, by_set if self._logs_each_set() else {}
        if not self._warned_of_repetition:
            self._warned_of_repetition = True
            warnings.warn(
                "The states of custom metrics, or of a custom `test_step`, cannot be summed over "
                "processes, so each process evaluates all rows. A metric that counts rows, "
                f"instead of averaging over them, counts each row {num_replicas()} times.",
                stacklevel=2,
            )
        return self._validate_whole(datasets)

    def _validate_whole(
        self, datasets: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        model = self.model
        if not self.per_set:
            return self._evaluate_as_one(datasets), {}
        states = MetricStateSum()
        by_set = {}
        for name, dataset in datasets.items():
            by_set[name] = self._evaluate(name, dataset)
            states.add(model)
        if len(datasets) == 1:
            model.reset_metrics()
            return dict(*by_set.values()), by_set if self._has_names else {}
        names = set().union(*by_set.values())
        custom = custom_metric_names(model)
        combined = states.result(model)
        if names != set(combined):  # a custom `test_step` reports other names
            return self._evaluate_as_one(datasets), by_set
        if custom:
            as_one = self._evaluate_as_one(datasets)
            combined.update((name, as_one[name]) for name in custom)
        return combined, by_set

    def _evaluate_as_one(self, datasets: dict[str, Any]) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for position, (name, dataset) in enumerate(datasets.items()):
            accumulate = metrics_not_reset(self.model) if position else contextlib.nullcontext()
            with accumulate:
                results = self._evaluate(name, dataset)
        self.model.reset_metrics()
        return results

    def _check_test_step(self, datasets: dict[str, Any]) -> None:
        self._test_step_checked = True
        for name, dataset in datasets.items():
            evaluate = functools.partial(self._evaluate, name)
            figures = figures_of_one_batch(self.model, dataset, evaluate)
            if figures:
                raise ValueError(describe_figures_of_one_batch(figures))

    def _evaluate(self, name: str, dataset: Any) -> dict[str, Any]:
        try:
            with warnings.catch_warnings(), self._output_losses.evaluating(self.model):
                if has_unknown_length(dataset):
                    warnings.filterwarnings("ignore", RAN_OUT_OF_DATA, UserWarning)
                results = self.model.evaluate(
                    dataset, verbose=0, return_dict=True, callbacks=[RaiseKeyboardInterrupt()]
                )
        except Exception as error:
            raise RuntimeError(f"Validation set {name!r} was not evaluated: {error}") from error
        return dict(results)

    def _log_entries(
        self, combined: dict[str, Any], by_set: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        """Returns the entries to add to the logs. No two results may have the same name."""
        entries = {f"val_{name}": value for name, value in combined.items()}
        for set_name, results in by_set.items():
            for name, value in results.items():
                key = f"val_{set_name}_{name}"
                if key in entries:
                    raise ValueError(
                        f"Validation set {set_name!r} would log {key!r}, which is the name of "
                        "another result. Rename the set."
                    )
                entries[key] = value
        return entries


@contextlib.contextmanager
def _keep_torch_generator() -> Iterator[None]:
    """Restores torch's global generator, so that validation does not change training.

    On torch every iterator of a data loader draws a seed from this generator, and Dropout and the
    shuffling of arrays draw from it too.
    """
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _format(results: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in results.items()
    )
