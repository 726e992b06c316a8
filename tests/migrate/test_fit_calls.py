"""Arguments of `fit`, `evaluate`, `predict` and `train_on_batch`."""

from __future__ import annotations

import pytest

from tests.migrate.migrated import migrate, notes


@pytest.mark.parametrize("weights", ["[a, b]", "{'x': {0: 1, 1: 2}, 'y': {0: 1}}"])
def test_class_weights_of_several_outputs_are_noted(weights):
    code = f"import keras\ncw = {weights}\nmodel.train_on_batch(x, y, class_weight=cw)"
    assert migrate(code) == code
    assert "pass sample_weight" in notes(code)[3]
    assert notes("import keras\nmodel.fit(x, y, class_weight={0: 1, 1: 2})") == {}


def test_show_accuracy_is_removed_although_a_pattern_is_compiled():
    code = """\
        import re
        import keras
        words = re.compile("[a-z]+")
        model.compile("sgd", "mse", metrics=["accuracy"])
        model.fit(x, y, epochs=3, show_accuracy=True)
    """
    assert "model.fit(x, y, epochs=3)" in migrate(code)
    assert notes(code) == {}
