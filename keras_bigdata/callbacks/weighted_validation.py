"""Validation on several sets, with one exact figure for all of them."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator
from typing import Any

import keras

from keras_bigdata.arguments import checked_bool, checked_choice, checked_int
from keras_bigdata.callbacks._interrupt import InterruptCheck
from keras_bigdata.callbacks._metric_states import (
    StateSum,
    metrics_kept,
    results_of_other_classes,
)
from keras_bigdata.callbacks._monitor import say
from keras_bigdata.callbacks._validation_data import (
    DEFAULT_TARGETS,
    NamedArrays,
    has_unknown_length,
    named_sets,
    open_set,
)
from keras_bigdata.shards.roles import Roles, as_structure


class WeightedValidation(keras.callbacks.Callback):
    """Evaluates validation sets at the end of each epoch, weighted by their size.

    It writes to the logs of the epoch

    - `val_loss` and `val_<metric>`: over all sets together,
    - `val_<set>_loss` and `val_<set>_<metric>`: of each set (not if there is a single set without
      a name).

    The figure over all sets is what one `model.evaluate` over the batches of all sets would give:
    not an average of results, but the result of the sum of the metrics' states. So it is right for
    AUC, Precision, Recall, F1, MeanIoU and R2 too, with sample weights and with several outputs.
    Metrics whose class is not Keras's own are not known to have states that can be added; for them
    alone all sets are evaluated a second time.

    List it **before** the callbacks that read what it logs: `EarlyStopping`, `ModelCheckpoint`,
    `ReduceLROnPlateau`, `CSVLogger`, `BestWeightsEarlyStopping`, `ScoreLog`. History, the progress
    bar and TensorBoard show it too. It takes the place of `fit(validation_data=...)`.

    Args:
        sets: one set, or a list or a dict of sets; without a dict, they are named `"0"`, `"1"`,
            ... A set is
            - a tuple `(x, y)` or `(x, y, sample_weight)`; `x` is an array of shape
              `(samples, ...)` or a tuple, list or dict of arrays, `y` likewise,
            - a dict of arrays such as `{"images": ..., "texts": ..., "labels": ...}`,
            - a `keras.utils.PyDataset` or a `tf.data.Dataset` of batches,
            - the path of a directory of shards, read in order with `batch_size` and without a
              `transform`: if training has one, pass a `ShardSequence` with the same one,
            - a `ShardSequence`, of which an unshuffled view is evaluated; the sequence itself is
              left alone.
        batch_size: samples per batch of arrays and shards. Defaults to `32`.
        freq: evaluate every `freq`-th epoch. The keys are missing in the others. Defaults to `1`.
        per_set: whether to log each set's own figures. If `False`, all sets are evaluated as one,
            and no metric needs a second evaluation. Defaults to `True`.
        verbose: 1 to print a line per set and one for all, or 0. Defaults to `0`.
        inputs: which fields of a dict of arrays, or of shards that do not say so themselves, are
            the inputs: a name, a tuple of names in the model's order, or a dict of the model's
            input names to fields. By default a dict's arrays are matched by name with the model's
            inputs; a single one needs no name. Defaults to `None`.
        targets: which fields are the targets, in the same way. Defaults to `"labels"`.
        sample_weights: which fields are sample weights, in the same way. Defaults to `None`.

    Raises:
        TypeError: if a set is of another kind.
        ValueError: if a set is empty or endless, or its arrays do not fit together; while
            training: if there are `val_` keys in the logs already, or if the name of a set makes a
            key that an output or a metric of the model makes too.
        RuntimeError: while training: if a set could not be evaluated; it names the set.

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

    def __init__(
        self,
        sets: Any,
        *,
        batch_size: int = 32,
        freq: int = 1,
        per_set: bool = True,
        verbose: int = 0,
        inputs: Any = None,
        targets: Any = DEFAULT_TARGETS,
        sample_weights: Any = None,
    ) -> None:
        super().__init__()
        batch_size = checked_int(batch_size, "batch_size", 1)
        roles = Roles(
            as_structure(inputs, "inputs"),
            as_structure(targets, "targets"),
            as_structure(sample_weights, "sample_weights"),
        )
        self.freq = checked_int(freq, "freq", 1)
        self.per_set = checked_bool(per_set, "per_set")
        self.verbose = checked_choice(verbose, "verbose", (0, 1))
        given, self._named = named_sets(sets)
        self._sets = {name: open_set(name, data, batch_size, roles) for name, data in given.items()}
        self._feeds: dict[str, Any] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> WeightedValidation:
        # The data of the sets is shared: it may be most of the memory.
        twin = copy.copy(self)
        memo[id(self)] = twin
        return twin

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._feeds = self._feeds_for(self.model)
        outputs = getattr(self.model, "output_names", None) or []
        if self._logs_sets() and len(outputs) > 1:
            for name in self._sets:
                if name in outputs:
                    raise ValueError(
                        f"Validation set {name!r} has the name of an output of the model, so "
                        f"'val_{name}_loss' would mean both. Rename the set."
                    )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        if (epoch + 1) % self.freq:
            return
        taken = sorted(name for name in logs if name.startswith("val_"))
        if taken:
            raise ValueError(
                f"WeightedValidation found {taken} in the logs already. It takes the place of "
                "`fit(validation_data=...)` and stands before callbacks that log a validation: use "
                "one of them, and list WeightedValidation first."
            )
        if self._feeds is None:
            self._feeds = self._feeds_for(self.model)
        with _torch_generator_kept():
            combined, by_set = self._validate(self._feeds)
        logs.update(self._keys(combined, by_set))
        if self.verbose:
            for name, results in by_set.items():
                say(self, f"Epoch {epoch + 1}: validation set {name}: {_as_text(results)}")
            say(self, f"Epoch {epoch + 1}: validation: {_as_text(combined)}")

    def _feeds_for(self, model: Any) -> dict[str, Any]:
        feeds = {}
        for name, data in self._sets.items():
            try:
                feeds[name] = data.batches(model) if isinstance(data, NamedArrays) else data
            except ValueError as error:
                raise ValueError(f"Validation set {name!r}: {error}") from error
        return feeds

    def _logs_sets(self) -> bool:
        return self.per_set and (self._named or len(self._sets) > 1)

    def _validate(self, feeds: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """The results over all sets, and of each."""
        model = self.model
        if not self.per_set:
            return self._evaluate_as_one(feeds), {}
        states = StateSum()
        by_set = {}
        for name, data in feeds.items():
            by_set[name] = self._evaluate(name, data)
            states.add(model)
        if len(feeds) == 1:
            model.reset_metrics()
            return dict(*by_set.values()), by_set if self._named else {}
        names = set().union(*by_set.values())
        others = results_of_other_classes(model)
        combined = states.result(model)
        if names != set(combined):  # the model's own test_step reports something else
            return self._evaluate_as_one(feeds), by_set
        if others:
            as_one = self._evaluate_as_one(feeds)
            combined.update((name, as_one[name]) for name in others)
        return combined, by_set

    def _evaluate_as_one(self, feeds: dict[str, Any]) -> dict[str, Any]:
        model = self.model
        results: dict[str, Any] = {}
        with contextlib.ExitStack() as stack:
            for position, (name, data) in enumerate(feeds.items()):
                if position == 1:
                    stack.enter_context(metrics_kept(model))
                results = self._evaluate(name, data)
        model.reset_metrics()
        return results

    def _evaluate(self, name: str, data: Any) -> dict[str, Any]:
        try:
            with warnings.catch_warnings():
                if has_unknown_length(data):
                    warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
                results = self.model.evaluate(
                    data, verbose=0, return_dict=True, callbacks=[InterruptCheck()]
                )
        except Exception as error:
            raise RuntimeError(f"Validation set {name!r} was not evaluated: {error}") from error
        return dict(results)

    def _keys(self, combined: dict[str, Any], by_set: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """What goes to the logs. No two figures may share a name."""
        keys = {f"val_{name}": value for name, value in combined.items()}
        for set_name, results in by_set.items():
            for name, value in results.items():
                key = f"val_{set_name}_{name}"
                if key in keys:
                    raise ValueError(
                        f"Validation set {set_name!r} would log {key!r}, which is another figure "
                        "of the same name. Rename the set."
                    )
                keys[key] = value
        return keys


@contextlib.contextmanager
def _torch_generator_kept() -> Iterator[None]:
    """Keeps validation from changing the training that follows.

    On torch every iteration of a data loader draws a seed from the global generator, which Dropout
    and the shuffling of arrays use too.
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


def _as_text(results: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in results.items()
    )
