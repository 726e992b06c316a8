"""`verify(against=...)`: rows are equal by their values, and classes must have equal numbers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image

from keras_bigdata import Arrays, ImageFolder, TextTable, pack, verify
from keras_bigdata.cli import main


def write(directory, **arrays):
    directory.mkdir()
    (directory / "0.pkl").write_bytes(pickle.dumps(arrays))
    return directory


# Classes ------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    for name in ("train/a", "train/b", "train/c", "test/a", "test/c"):
        (tmp_path / name).mkdir(parents=True)
        shade = 10 * ord(name[-1]) - 900 + len(name)
        Image.new("RGB", (4, 4), (shade, 0, 0)).save(tmp_path / name / "1.png")
    return tmp_path


def test_sets_that_number_their_classes_differently_are_a_fault(folders, capsys):
    train = ImageFolder(folders / "train", size=(4, 4))
    pack(train, folders / "t")
    pack(ImageFolder(folders / "test", size=(4, 4)), folders / "v")
    (fault,) = verify(folders / "t", folders / "v").faults
    assert (fault.kind, fault.file) == ("classes", str(folders / "t"))
    assert fault.found == (
        f"class 1 is 'b' in {folders}/t and 'c' in {folders}/v; "
        "the classes are [a, b, c] and [a, c]"
    )
    assert "classes=" in fault.remedy
    assert main(["verify", str(folders / "t"), "--against", str(folders / "v")]) == 1
    assert "classes: expected classes and words numbered as in" in capsys.readouterr().out
    pack(ImageFolder(folders / "test", size=(4, 4), classes=train), folders / "w")
    assert verify(folders / "t", folders / "w").ok


def test_sets_that_number_their_words_differently_are_a_fault(tmp_path):
    for name, texts in (("t", ["red cup", "red red cup"]), ("v", ["blue cup", "blue blue dog"])):
        table = {"text": texts, "label": ["x", "y"]}
        pack(TextTable(table, text="text", label="label"), tmp_path / name)
    kinds = [fault.kind for fault in verify(tmp_path / "t", tmp_path / "v").faults]
    assert "classes" in kinds
    found = verify(tmp_path / "t", tmp_path / "v").faults[0].found
    assert found.startswith("word ")
    assert "blue" in found


# Values -------------------------------------------------------------------------------------------

ALIGNED = np.dtype([("a", "i1"), ("b", "f8")], align=True)


def padded(padding):
    """Two records whose bytes between the fields have a value."""
    array = np.frombuffer(bytes([padding]) * 2 * ALIGNED.itemsize, ALIGNED).copy()
    array["a"], array["b"] = [1, 2], [0.5, -0.0 if padding else 0.0]
    return array


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "g", "F", "D", "G", ">f4"])
def test_rows_of_equal_values_are_equal_whatever_their_bits(tmp_path, kind):
    dtype = np.dtype(kind)
    values = np.array([0.0, 1.0, np.nan, np.inf, -np.inf, 1 / 3], dtype)
    others = np.array([-0.0, 1.0, -np.nan, np.inf, -np.inf, 1 / 3], dtype)
    assert values.tobytes() != others.tobytes()
    first, second = write(tmp_path / "a", x=values), write(tmp_path / "b", x=others)
    (fault,) = verify(first, second).faults
    assert fault.found.startswith("6, such as")
    others[1:] = [2, 3, 4, 5, 6]
    (fault,) = verify(first, write(tmp_path / "c", x=others)).faults
    assert fault.found.startswith("1, such as row 0")


def test_numbers_of_80_bits_are_compared_to_the_last_bit(tmp_path):
    values = np.array([1, np.finfo("g").max / 2], "g")
    first = write(tmp_path / "a", x=values)
    second = write(tmp_path / "b", x=np.nextafter(values, np.array(np.inf, "g")))
    assert verify(first, second).ok
    assert verify(first, write(tmp_path / "c", x=values)).faults[0].kind == "duplicates"


def test_rows_of_variants_that_are_in_both_sets_are_counted_as_such(tmp_path):
    x = np.arange(6.0)[:, None]
    source = Arrays(x=x, labels=[0, 1] * 3)
    pack(source, tmp_path / "a", variants=3, augment=lambda sample, rng: sample, workers=1)
    pack(Arrays(x=x[:2], labels=[0, 1]), tmp_path / "b", workers=1)
    (fault,) = verify(tmp_path / "a", tmp_path / "b").faults
    assert fault.found.startswith("6 in 3 variants together, such as row ")
    (fault,) = verify(tmp_path / "b", tmp_path / "a").faults
    assert fault.found.startswith("2, such as row ")


def test_bytes_between_the_fields_of_a_structure_do_not_count(tmp_path):
    first, second = write(tmp_path / "a", x=padded(0)), write(tmp_path / "b", x=padded(7))
    assert pickle.loads((first / "0.pkl").read_bytes())["x"].tobytes() != padded(7).tobytes()
    (fault,) = verify(first, second).faults
    assert fault.found.startswith("2, such as")


def test_empty_rows_and_booleans(tmp_path):
    first = write(tmp_path / "a", x=np.zeros((3, 0)), y=np.array([True, False, True]))
    second = write(tmp_path / "b", x=np.zeros((1, 0)), y=np.array([False]))
    (fault,) = verify(first, second).faults
    assert fault.found.startswith("1, such as row 1")


def test_a_string_is_one_field_and_not_its_letters(tmp_path):
    x = np.arange(6.0)[:, None]
    pack(Arrays(x=x, labels=[0, 1] * 3), tmp_path / "a", shuffle=False)
    pack(Arrays(x=x + 100, labels=[0, 1] * 3), tmp_path / "b", shuffle=False)
    assert verify(tmp_path / "a", tmp_path / "b").ok
    (fault,) = verify(tmp_path / "a", tmp_path / "b", fields="labels").faults
    assert "compared by labels." in fault.remedy
    assert verify(tmp_path / "a", fields="labels").ok
    bare = write(tmp_path / "c", labels=[1, 2])
    assert verify(bare, fields="labels").ok
    (fault,) = verify(bare, fields="lab").faults
    assert fault.expected == "fields ['lab']"
    for fields in (7, [7], {"labels": 1}, b"labels"):
        with pytest.raises(TypeError, match="`fields` must be a name or a sequence of names"):
            verify(bare, fields=fields)
    with pytest.raises(ValueError, match="`fields` must hold at least one name"):
        verify(bare, fields=[])
