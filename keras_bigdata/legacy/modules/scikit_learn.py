"""`KerasClassifier` and `KerasRegressor` of `keras.wrappers.scikit_learn`."""

from __future__ import annotations

import copy
import importlib
import inspect
from typing import Any

import keras
import numpy as np

_FIT = "batch_size epochs nb_epoch verbose callbacks validation_split validation_data shuffle"
_FIT += " class_weight sample_weight initial_epoch steps_per_epoch validation_steps"
_PREDICT = "batch_size verbose steps"
_EVALUATE = "batch_size verbose sample_weight steps"


class BaseWrapper:
    """A model that a function builds, as an estimator of scikit-learn.

    Args:
        build_fn: returns a compiled model. A subclass may define `__call__` instead.
        **sk_params: arguments of `build_fn`, and of the model's `fit`, `predict` and `evaluate`.

    Raises:
        ValueError: if none of these takes an argument.
    """

    _estimator_type = ""

    def __init__(self, build_fn: Any = None, **sk_params: Any) -> None:
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    def check_params(self, params: dict[str, Any]) -> None:
        """Raises a `ValueError` for arguments that neither `build_fn` nor the methods take."""
        known = {*_FIT.split(), *_PREDICT.split(), *_EVALUATE.split()}
        accepted = self._builder_parameters()
        for name in params:
            if name not in known and accepted is not None and name not in accepted:
                raise ValueError(f"{name} is not a legal parameter")

    def get_params(self, **params: Any) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**copy.deepcopy(self.sk_params), "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> BaseWrapper:
        """Changes arguments."""
        if "build_fn" in params:
            self.build_fn = params.pop("build_fn")
        self.check_params(params)
        self.sk_params.update(params)
        return self

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Builds a model and trains it; returns its `History`."""
        accepted = self._builder_parameters()
        arguments = {
            name: value
            for name, value in self.sk_params.items()
            if accepted is None or name in accepted
        }
        build = self.__call__ if self.build_fn is None else self.build_fn  # type: ignore[operator]
        self.model = build(**arguments)
        fit_arguments = self._arguments(_FIT, kwargs)
        if "nb_epoch" in fit_arguments:
            fit_arguments["epochs"] = fit_arguments.pop("nb_epoch")
        return self.model.fit(x, self._targets(y), **fit_arguments)

    def _arguments(self, names: str, override: dict[str, Any]) -> dict[str, Any]:
        chosen = {k: copy.copy(v) for k, v in self.sk_params.items() if k in names.split()}
        return {**chosen, **override}

    def _builder_parameters(self) -> set[str] | None:
        """Returns the names of the arguments of `build_fn`; `None` if it takes any."""
        build = self.build_fn
        if build is None:
            build = self
        parameters = inspect.signature(build).parameters
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return None
        return set(parameters)

    def _targets(self, y: Any) -> Any:
        loss = getattr(self.model.loss, "__name__", self.model.loss)
        y = np.asarray(y)
        if loss == "categorical_crossentropy" and y.ndim != 2:
            return keras.utils.to_categorical(y)
        return y

    def __sklearn_tags__(self) -> Any:
        """Returns the tags that scikit-learn reads from an estimator."""
        utils: Any = importlib.import_module("sklearn.utils")
        is_classifier = self._estimator_type == "classifier"
        return utils.Tags(
            estimator_type=self._estimator_type,
            target_tags=utils.TargetTags(required=True),
            classifier_tags=utils.ClassifierTags() if is_classifier else None,
            regressor_tags=None if is_classifier else utils.RegressorTags(),
        )


class KerasClassifier(BaseWrapper):
    """A classifier: its classes are numbers or names."""

    _estimator_type = "classifier"

    def fit(self, x: Any, y: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """Builds a model and trains it; returns its `History`."""
        y = np.array(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim in (1, 2):
            self.classes_ = np.unique(y)
            y = np.searchsorted(self.classes_, y)
        else:
            raise ValueError(f"Invalid shape for y: {y.shape}")
        self.n_classes_ = len(self.classes_)
        if sample_weight is not None:
            kwargs["sample_weight"] = sample_weight
        return super().fit(x, y, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> Any:
        """Returns the predicted class of each row; (rows, 1) if the model has one output."""
        probabilities = self.model.predict(x, **self._arguments(_PREDICT, kwargs))
        if probabilities.shape[-1] > 1:
            return self.classes_[probabilities.argmax(axis=-1)]
        return self.classes_[(probabilities > 0.5).astype("int32")]

    def predict_proba(self, x: Any, **kwargs: Any) -> Any:
        """Returns the probability of each class."""
        probabilities = self.model.predict(x, **self._arguments(_PREDICT, kwargs))
        if probabilities.shape[1] == 1:
            probabilities = np.hstack([1 - probabilities, probabilities])
        return probabilities

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Returns the accuracy.

        Raises:
            ValueError: if the model was compiled without the metric `"accuracy"`.
        """
        y = np.asarray(y)
        targets = self._targets(y if y.ndim == 2 else np.searchsorted(self.classes_, y))
        arguments = self._arguments(_EVALUATE, kwargs)
        logs = self.model.evaluate(x, targets, **arguments, return_dict=True)
        for name in ("acc", "accuracy"):
            if name in logs:
                return float(logs[name])
        raise ValueError(
            'The model is not configured to compute accuracy: pass `metrics=["accuracy"]` to '
            "`compile`."
        )


class KerasRegressor(BaseWrapper):
    """A regressor: its targets are numbers."""

    _estimator_type = "regressor"

    def predict(self, x: Any, **kwargs: Any) -> Any:
        """Returns the predictions without dimensions of size 1."""
        return np.squeeze(self.model.predict(x, **self._arguments(_PREDICT, kwargs)))

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """Returns the negative loss, so that more is better."""
        arguments = self._arguments(_EVALUATE, kwargs)
        return -float(self.model.evaluate(x, np.asarray(y), **arguments, return_dict=True)["loss"])
