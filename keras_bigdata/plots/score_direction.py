"""Whether a smaller or a greater value of a score is better, by its name alone.

Callbacks ask the metrics of the model. A history has names only.
"""

from __future__ import annotations

import re
from typing import Literal

_SMALLER_IS_BETTER = {
    *("loss", "error", "mae", "mse", "mape", "msle", "rmse", "wer", "cer", "brier", "perplexity"),
    *("crossentropy", "entropy", "divergence", "kld", "poisson", "hinge", "logcosh", "cosh"),
    *("distance", "ctc", "false"),
}
_GREATER_IS_BETTER = {
    *("acc", "accuracy", "auc", "precision", "recall", "sensitivity", "specificity", "true"),
    *("score", "f1", "fbeta", "r2", "iou", "dice", "jaccard", "coef", "coefficient", "kappa"),
    *("similarity", "correlation", "map", "bleu", "psnr", "ssim"),
}


def direction_of_score(name: str) -> Literal["min", "max"] | None:
    """Returns `"min"` or `"max"` for the names of Keras's metrics and usual ones, else `None`.

    The words of the name decide, so that the names of outputs and sets may stand around that of
    the metric: `"val_clean_mean_absolute_error"`, `"head_mae"`, `"auc_1"`. A loss is one whatever
    other words are in its name: `"dice_loss"`.
    """
    # Keras writes the class `BinaryIoU` as "binary_io_u".
    words = set(re.findall(r"[a-z]+\d*", name.lower().replace("io_u", "iou")))
    is_smaller, is_greater = bool(words & _SMALLER_IS_BETTER), bool(words & _GREATER_IS_BETTER)
    if words & {"loss", "error"} or (is_smaller and not is_greater):
        return "min"
    return "max" if is_greater and not is_smaller else None
