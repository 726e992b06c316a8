"""`Conv2D(8, 3, 3)` in a script that shows by other lines what it was written for."""

from __future__ import annotations

import runpy

import keras
import pytest

from keras_bigdata.legacy import calling_script

KERAS = "from keras.layers import Conv2D\n"
TENSORFLOW_KERAS = "from tensorflow.keras.layers import Conv2D\n"
LAYER = "shape = Conv2D(8, 3, 3).compute_output_shape((None, 64, 64, 3))\n"
OLD_LINE = "def train(batches):\n    model.fit_generator(batches, nb_epoch=3)\n"
KERNEL, STRIDES = (None, 62, 62, 8), (None, 21, 21, 8)


@pytest.fixture
def old_script():
    calling_script.set_runs_old_script(True)
    yield
    calling_script.set_runs_old_script(False)


@pytest.mark.parametrize(
    ("text", "shape", "reading"),
    [
        (KERAS + LAYER + OLD_LINE, KERNEL, "as in Keras 1 and 2"),
        (KERAS + LAYER, STRIDES, "as in Keras 3"),
        (TENSORFLOW_KERAS + LAYER + OLD_LINE, STRIDES, "as in Keras 3"),
    ],
)
def test_other_lines_of_the_script_decide(installed, old_script, tmp_path, text, shape, reading):
    if "tensorflow" in text and keras.backend.backend() != "tensorflow":
        pytest.skip("needs TensorFlow")
    (tmp_path / "script.py").write_text(text)
    with pytest.warns(UserWarning, match=rf"the kernel is \(3, 3\).*strides=3.*{reading}"):
        names = runpy.run_path(str(tmp_path / "script.py"))
    assert names["shape"] == shape


def test_code_that_was_not_run_as_an_old_script_is_read_as_now(installed, tmp_path):
    (tmp_path / "script.py").write_text(KERAS + LAYER + OLD_LINE)
    with pytest.warns(UserWarning, match="as in Keras 3"):
        names = runpy.run_path(str(tmp_path / "script.py"))
    assert names["shape"] == STRIDES
