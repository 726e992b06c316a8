"""`fit_generator` with `ResumeTraining` among the callbacks."""

from __future__ import annotations

from typing import Any

from keras_bigdata.callbacks.resume_training import ResumeTraining
from keras_bigdata.legacy.generators.arguments import FitArguments
from keras_bigdata.legacy.generators.batch_stream import is_sequence, is_source
from keras_bigdata.legacy.metric_names import MetricAliases
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset


def has_resume_training(callbacks: list[Any]) -> bool:
    """Whether a training is to be continued after an interruption."""
    return any(isinstance(each, ResumeTraining) for each in callbacks)


def fit_resumable(
    model: Any, arguments: FitArguments, callbacks: list[Any], progress_bar: list[Any]
) -> Any:
    """Trains on a sequence that knows its position, with `fit` of Keras 3 itself.

    Args:
        model: the model.
        arguments: the arguments of `fit_generator`.
        callbacks: the user's callbacks.
        progress_bar: the progress bar, if one is shown.

    Returns:
        The `keras.callbacks.History`.

    Raises:
        ValueError: if the training could not be continued where it was interrupted.
    """
    sequence = arguments.generator
    if not isinstance(sequence, EpochDataset):
        raise ValueError(
            "fit_generator: ResumeTraining cannot continue the batches of a "
            f"{type(sequence).__name__}, whose position is not known after an interruption. Pass "
            "a ShardSequence (`keras_bigdata.capture` writes the batches of a generator into one), "
            "or train without ResumeTraining."
        )
    steps = arguments.steps
    if steps is not None and (steps.unit != "batches" or steps.max_batches != len(sequence)):
        raise ValueError(
            "fit_generator: ResumeTraining cannot continue epochs of another length than that of "
            f"the {type(sequence).__name__}, which has {len(sequence)} batches. Pass "
            "`steps_per_epoch` to it instead, and none to fit_generator. Received: "
            f"{steps.count:g} {steps.unit}"
        )
    if arguments.class_weight is not None and not isinstance(arguments.class_weight, dict):
        raise ValueError(
            "fit_generator: with ResumeTraining, `class_weight` must be a dict of class to weight. "
            "ShardSequence(class_weights=) takes other forms. Received: "
            f"{arguments.class_weight!r}"
        )
    aliases = MetricAliases(callbacks)
    try:
        return model.fit(
            sequence,
            epochs=arguments.epochs,
            initial_epoch=arguments.initial_epoch,
            # The sequence shuffles by itself, in an order that can be continued.
            shuffle=False,
            verbose=arguments.verbose,
            class_weight=arguments.class_weight,
            callbacks=[*progress_bar, *aliases.around()],
            **_validation(arguments),
        )
    finally:
        aliases.restore()


def _validation(arguments: FitArguments) -> dict[str, Any]:
    if not arguments.has_validation_data:
        return {}
    data = arguments.validation_data
    is_arrays = isinstance(data, (tuple, list)) and len(data) in (2, 3)
    if is_source(data) and not is_sequence(data) and not is_arrays:
        raise ValueError(
            "fit_generator: ResumeTraining cannot continue a validation on a "
            f"{type(data).__name__}, whose position is not known after an interruption. Pass "
            "arrays or a ShardSequence as `validation_data`, or use WeightedValidation."
        )
    if arguments.validation_steps is not None and not is_arrays:
        if arguments.validation_steps.unit == "samples":
            raise ValueError(
                "fit_generator: with ResumeTraining, `nb_val_samples` cannot be used. Pass a "
                "sequence of this size as `validation_data`."
            )
        steps = arguments.validation_steps.max_batches
    else:
        steps = None
    epochs = range(arguments.initial_epoch, arguments.epochs)
    return {
        "validation_data": tuple(data) if is_arrays else data,
        "validation_steps": steps,
        "validation_freq": [epoch + 1 for epoch in epochs if arguments.validation_freq(epoch)],
    }
