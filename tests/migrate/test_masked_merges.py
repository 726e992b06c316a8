"""Layers that merge inputs with masks."""

from __future__ import annotations

import pytest

from tests.migrate.migrated import notes

SCRIPT = """\
from {root}.layers import Embedding, Masking, Concatenate, add, concatenate, dot
a, b = {mask}(x), Embedding(9, 3)(y)
concatenate([a, b])
Concatenate()([a, b])
add([a, b])
dot([a, b], 1)
"""


@pytest.mark.parametrize("root", ["keras", "tensorflow.keras"])
@pytest.mark.parametrize("mask", ["Masking()", "Embedding(9, 3, mask_zero=True)"])
def test_merges_of_masked_inputs_changed_in_silence(root, mask):
    by_line = notes(SCRIPT.format(root=root, mask=mask))
    assert by_line.keys() == {3, 5}
    assert "SILENT CHANGE if an input of concatenate has a mask" in by_line[3]
    assert "masked only if it is masked in all of them" in by_line[3]
    assert "there is none if one input has none" in by_line[5]
    assert "mask=keras.ops.logical_and(embedding_a.compute_mask(a)" in by_line[5]


@pytest.mark.parametrize("mask", ["Embedding(9, 3)", "Embedding(9, 3, mask_zero=False)"])
def test_merges_without_masks_are_not_noted(mask):
    assert notes(SCRIPT.format(root="keras", mask=mask)) == {}
