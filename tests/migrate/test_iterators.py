"""Iterators and classes of iterators as Python 2 had them."""

from __future__ import annotations

import pytest

from tests.migrate.migrated import migrate, notes

START = """\
from tensorflow.keras.preprocessing.image import ImageDataGenerator
gen = ImageDataGenerator()
it = gen.flow_from_directory('photos')
"""


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ("x, y = it.next()", "x, y = next(it)"),
        ("x = gen.flow(a, batch_size=9).next()[0]", "x = next(gen.flow(a, batch_size=9))[0]"),
        ("x = ImageDataGenerator().flow(a).next()", "x = next(ImageDataGenerator().flow(a))"),
    ],
)
def test_the_method_next_of_image_iterators_was_an_attribute_error(line, new):
    assert migrate(START + line) == START + new
    assert notes(START + line) == {}


def test_the_method_next_of_other_objects_is_noted():
    code = START + "x = batches.next()\ny = reader.next(3)\n"
    assert migrate(code) == code
    assert "write next(batches)" in notes(code)[4]
    assert 5 not in notes(code)
    own = START + "class A:\n    def next(self): return self.it.next()\n"
    assert "write next(self.it)" in notes(own)[5]
    own = START + "class A:\n    def next(self): pass\nA().next()\n"
    assert migrate(own) == own
    assert 6 not in notes(own)
