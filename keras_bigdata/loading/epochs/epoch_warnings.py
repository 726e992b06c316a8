"""Warnings about requests for batches that are probably not what the user intends."""

from __future__ import annotations

import warnings
from typing import Any

from keras_bigdata.loading.batches.batch_loader import LoaderConfig
from keras_bigdata.representation import list_some
from keras_bigdata.shards.fields.roles import Roles, field_names
from keras_bigdata.shards.fields.standard_fields import MASKS, weight_field


def warn_of_same_epoch(config: LoaderConfig, epoch: int, *, fixed: bool) -> None:
    """Warns that an epoch is served again because no hook was called, if its batches differ."""
    differ = config.shuffle or config.transform or config.index.variants > 1
    differ = differ or config.decode.is_random
    if fixed or not (differ or config.last_batch == "drop"):
        return
    warnings.warn(
        f"All batches of epoch {epoch} were requested twice, and neither `on_epoch_begin` nor "
        "`on_epoch_end` was called, so the same epoch is served again. Call both hooks of the "
        "ShardSequence for each epoch, or iterate over it: `for x, y in sequence`.",
        stacklevel=5,
    )


def warn_of_random_crops(config: LoaderConfig) -> None:
    """Warns that `predict` receives random parts of images."""
    names = ", ".join(repr(name) for name, crop in config.decode.crops.items() if crop.draws)
    warnings.warn(
        f"Predictions are those of random parts of {names}: the sequence has decode="
        "RandomResizedCrop(...). Pass one with decode=CenterCrop(...) or Resize(...).",
        stacklevel=6,
    )


def warn_of_predict(config: LoaderConfig) -> None:
    """Warns that `predict` receives rows in another order than that of the files."""
    what = "in shuffled order, which differs in each epoch"
    if not config.shuffle:
        what = "without some of them: the last, smaller batch is dropped"
    warnings.warn(
        f"`predict` receives the rows of this ShardSequence {what}. Pass `sequence.unshuffled()` "
        "to receive a prediction of every row, in the order of the files, or use `predict_rows`, "
        "which returns columns of the rows with them.",
        stacklevel=5,
    )


def warn_of_unweighted_metrics(model: Any, roles: Roles) -> bool:
    """Warns that unweighted metrics count rows without a number, whose target was filled with 0.

    Such an output has a field of weights of its own: see `ImageTable(missing="mask")`. Masks have
    one too, but every row has a mask.

    Returns:
        Whether the model has such metrics.
    """
    weights = set(field_names(roles.sample_weights))
    masked = [
        target
        for target in field_names(roles.targets)
        if target != MASKS and weight_field(target) in weights
    ]
    if not masked or not has_unweighted_metrics(model):
        return False
    warnings.warn(
        f"Rows that have no number of {list_some(masked)} have weight 0 and the target 0, and "
        "`compile(metrics=...)` counts them with this target. Pass the metrics as "
        "`weighted_metrics`.",
        stacklevel=6,
    )
    return True


def has_unweighted_metrics(model: Any) -> bool:
    """Returns whether a model was compiled with `metrics=...`."""
    try:
        config = model.get_compile_config()
    except Exception:  # no model, or one whose losses or metrics cannot be described
        return False
    return bool(config and config.get("metrics"))
