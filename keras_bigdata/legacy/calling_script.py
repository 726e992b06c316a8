"""Determines which Keras the calling script was written for: by its text, and by `install(keras=)`.

Some defaults of Keras 2 differed between `keras` and `tensorflow.keras`. In Keras 3 both names lead
to the same classes, so only the text of the script shows which one it uses.
"""

from __future__ import annotations

import functools
import linecache
import re
import sys
from types import FrameType
from typing import Literal

# `"keras"` is the package of its own (Keras 1 and 2), `""` means that nothing is known.
KerasRoot = Literal["keras", "tensorflow.keras", ""]

_KERAS = re.compile(r"^\s*(?:from|import)\s+keras\b|^\s*import\s+[\w., ]+,\s*keras\b", re.MULTILINE)
_TENSORFLOW_KERAS = re.compile(
    r"^\s*(?:from|import)\s+tensorflow\.(?:\w+\.)*keras\b"
    r"|^\s*from\s+tensorflow(?:\.\w+)*\s+import\s+.*\bkeras\b"
    r"|\b(?:tf|tensorflow)\.keras\b",
    re.MULTILINE,
)
# Names that the package `keras` had only before Keras 3. `tensorflow.keras` had some of them.
_OLD_NAMES = re.compile(
    r"\b(?:(?:fit|evaluate|predict)_generator|nb_epoch|samples_per_epoch|nb_val_samples|border_mode"
    r"|subsample|dim_ordering|[WUb]_regularizer|np_utils|Convolution[123]D)\b"
    r"|\bkeras\.layers\.(?:core|convolutional|normalization|pooling|recurrent|embeddings)\b"
)
# Keras, its backends and packages through which Keras and this package call each other.
_NOT_SCRIPTS = {"keras", "keras_bigdata", "tensorflow", "torch", "jax", "numpy", "functools"}
_INSTALLED = re.compile(r"[\\/](site|dist)-packages[\\/]")

_runs_old_script = [False]
_default_keras_version = [2]


def keras_root() -> KerasRoot:
    """Returns the location that the calling script imports Keras from.

    Returns:
        `"keras"` or `"tensorflow.keras"`; `""` if the call does not come from a script, if the
        script imports neither or both, or if it belongs to an installed package, which is taken
        to be written for the Keras that is installed with it.
    """
    frame = _script_frame()
    if frame is None or _INSTALLED.search(frame.f_code.co_filename):
        return ""
    return _root_of(_text_of(frame))


def set_runs_old_script(value: bool) -> None:
    """Sets whether the user runs an old script without naming the version of Keras it is for."""
    _runs_old_script[0] = value


def set_default_keras_version(keras: int) -> None:
    """Sets the version of Keras that calls are read for if their arguments do not show one.

    Args:
        keras: 1, where positional step counts are numbers of samples, or 2, where they are numbers
            of batches.

    Raises:
        ValueError: if `keras` is another number.
    """
    if keras not in (1, 2):
        raise ValueError(f"`keras` must be 1 or 2. Received: keras={keras!r}")
    _default_keras_version[0] = keras


def default_keras_version() -> int:
    """Returns the version that `set_default_keras_version` has set, initially 2."""
    return _default_keras_version[0]


def is_for_keras_1_or_2() -> bool:
    """Whether the calling script was written for `keras` 1 or 2.

    This is the case if it was run as an old script, imports `keras`, and uses names that `keras`
    had only before Keras 3.
    """
    frame = _script_frame()
    if not _runs_old_script[0] or frame is None or _INSTALLED.search(frame.f_code.co_filename):
        return False
    text = _text_of(frame)
    return _root_of(text) == "keras" and _OLD_NAMES.search(text) is not None


def _script_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if name.partition(".")[0] not in _NOT_SCRIPTS:
            return frame
        frame = frame.f_back
    return None


def _text_of(frame: FrameType) -> str:
    cells = frame.f_globals.get("In")
    if isinstance(cells, list):  # a notebook: the imports stand in another cell
        return "\n".join(str(cell) for cell in cells)
    return "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))


@functools.lru_cache(maxsize=64)
def _root_of(text: str) -> KerasRoot:
    has_keras = _KERAS.search(text) is not None
    has_tensorflow_keras = _TENSORFLOW_KERAS.search(text) is not None
    if has_keras == has_tensorflow_keras:
        return ""
    return "keras" if has_keras else "tensorflow.keras"
