"""Functions described as JSON: what counts as the same function, and what does not."""

from __future__ import annotations

import functools
import importlib
import json
import random
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata.files import natural_key
from keras_bigdata.images.open_image import is_image_file
from keras_bigdata.packing.identity.function_fingerprint import describe_function
from keras_bigdata.packing.identity.function_source import source_text


@pytest.fixture
def define(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`define(text)` imports a module with this text, always of the same name."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(text: str) -> Any:
        (tmp_path / "user_code.py").write_text(textwrap.dedent(text))
        sys.modules.pop("user_code", None)
        importlib.invalidate_caches()
        return importlib.import_module("user_code")

    yield load
    sys.modules.pop("user_code", None)


# The text


def decorate(function: Any) -> Any:
    return function


@decorate
def documented(sample, rng):
    """Documented."""
    # A comment.
    names = f"{sample!r:>{10}} {{}} {'a' + 'b'}"  # another comment

    """A string as a comment."""
    return {
        "x": names,
    }


def test_the_text_is_the_same_in_every_version_of_python():
    # Finished packs are compared with its digest: this must never change.
    lines = """
    @ decorate NEWLINE
    def documented ( sample , rng ) : NEWLINE INDENT
    names = STRING NEWLINE
    return { "x" : names , }
    """
    string = "f\"{sample!r:>{10}} {{}} {'a' + 'b'}\""
    expected = [string if word == "STRING" else word for word in lines.split()]
    assert source_text(documented) == "\n".join(expected)
    assert describe_function(documented) == {
        "module": __name__,
        "name": "documented",
        "source": "sha256:263ab65bdab97601",
    }


SAME = [
    "def f(s, r):\n    return s['x'] + 1",
    "def f(s, r):  # adds one\n\n    # to all\n    return s['x'] + 1\n",
    "def f(s, r):\n    '''Adds one.'''\n    return s['x'] + 1",
    "def f( s , r ):\n  return (s['x']\n    + 1)",
    "if True:\n    def f(s, r):\n        return s['x'] + 1",
]


def test_comments_docstrings_and_layout_do_not_count(define):
    first, *others = [describe_function(define(text).f)["source"] for text in SAME]
    assert others[:2] == [first] * 2
    assert others[3] == first
    assert others[2] != first  # parentheses are not layout


def test_any_other_change_counts(define):
    texts = [
        "def f(s, r):\n    return s['x'] + 1",
        "def f(s, r):\n    return s['x'] + 2",
        "def f(s, r):\n    return s['x'] + 1.0",
        "def f(s, r):\n    return s['y'] + 1",
        "def f(r, s):\n    return s['x'] + 1",
        "def f(s, r):\n    if s:\n        r()\n    return s",
        "def f(s, r):\n    if s:\n        r()\n        return s",
        "f = lambda s, r: s['x'] + 1",
    ]
    digests = [describe_function(define(text).f)["source"] for text in texts]
    assert len(set(digests)) == len(texts)


def test_lambdas_on_one_line_differ(define):
    text = "é = 'ü'; f, g, h = lambda s, r: s, lambda s, r: r, (lambda s, r: (lambda q: q)(s))\n"
    module = define(text)
    texts = [source_text(function) for function in (module.f, module.g, module.h)]
    assert [str(text).replace("\n", " ") for text in texts] == [
        "lambda s , r : s",
        "lambda s , r : r",
        "lambda s , r : ( lambda q : q ) ( s )",
    ]
    described = describe_function(module.g)
    alone = define("def unused():\n    pass\n\ng = lambda s, r: r")
    assert describe_function(alone.g) == described


def test_lambdas_on_one_line_differ_without_columns(tmp_path: Path):
    """`python -X no_debug_ranges` does not know where in the line a lambda is."""
    script = tmp_path / "script.py"
    script.write_text(
        "from keras_bigdata.packing.identity import function_fingerprint\n"
        "describe = function_fingerprint.describe_function\n"
        "f, g = lambda s, r: s, lambda s, r: r\n"
        "assert 'bytecode' in describe(f), describe(f)\n"
        "assert describe(f) != describe(g)\n"
    )
    subprocess.run([sys.executable, "-X", "no_debug_ranges", script], check=True)


def test_a_file_that_was_changed_after_its_import_is_not_believed(define, tmp_path: Path):
    module = define(
        """
        def f(s, r):
            return 1

        class C:
            def __call__(self, s, r):
                return 1
        """
    )
    known = describe_function(module.f), describe_function(module.C())
    assert all("source" in description for description in known)
    path = tmp_path / "user_code.py"
    path.write_text(path.read_text().replace("return 1", "return 2"))
    for thing in (module.f, module.C()):
        description = describe_function(thing)
        assert "source" not in description
        assert description["bytecode"].startswith(str(sys.implementation.cache_tag))


def test_code_without_text_is_described_by_its_bytecode():
    def compiled(text: str) -> Any:
        names: dict[str, Any] = {"__name__": __name__}
        exec(text, names)
        return names["thing"]

    texts = [
        "def thing(s, r): return s",
        "def thing(s, r): return r",
        "class thing:\n    def __call__(self, s, r): return s",
        "class thing:\n    def __call__(self, s, r): return r",
    ]
    digests = [describe_function(compiled(text))["bytecode"] for text in texts]
    assert digests[0] != digests[1]
    assert digests[2] != digests[3]
    assert digests == [describe_function(compiled(text))["bytecode"] for text in texts]


# Values


def test_defaults_and_closures(define):
    text = """
    def outer(amount):
        def f(s, r, by={by}, *, scale=2.5):
            return amount
        return f
    """
    first = describe_function(define(text.format(by=1)).outer([1, {"a": np.arange(3)}]))
    assert first["defaults"] == {"by": 1, "scale": 2.5}
    assert first["closure"]["amount"][0] == 1
    assert first["closure"]["amount"][1]["a"]["shape"] == [3]
    again = describe_function(define(text.format(by=1)).outer([1, {"a": np.arange(3)}]))
    assert again == first
    other = describe_function(define(text.format(by=1)).outer([1, {"a": np.arange(3) * 2}]))
    assert other["closure"] != first["closure"]


def test_a_decorated_function_is_followed_to_the_original(define):
    text = """
    import functools

    def twice(function):
        @functools.wraps(function)
        def wrapper(s, r):
            return function(function(s, r), r)
        return wrapper

    @twice
    def f(s, r):
        return s + {number}

    g = functools.lru_cache(f)
    """
    for name in ("f", "g"):
        one, two, three = (
            describe_function(getattr(define(text.format(number=number)), name))
            for number in (1, 2, 1)
        )
        assert one != two
        assert one == three


@dataclass
class Settings:
    scale: float
    mean: Any = None


class Noise:
    def __init__(self, settings: Any, **attributes: Any) -> None:
        self.settings = settings
        self.__dict__ |= attributes

    def __call__(self, sample: Any, rng: Any) -> Any:
        return sample

    def method(self, sample: Any, rng: Any) -> Any:
        return sample


VALUES = [
    None, True, 1, 1.0, float("nan"), float("inf"), "1", b"1", (1, 2), {1, 2}, {"a": 1}, {1: 1},
    {"1": 1}, np.float32(1), np.float64(1), np.arange(3), np.arange(4), np.arange(3.0),
    np.dtype("i4"), np.array(["a", None], object), range(3), 1j, Path("a"), np.add, np.pad, len,
    json, Settings, Settings(1.0), Settings(2.0), Settings(1.0, np.arange(2000)),
    Settings(1.0, np.arange(2000) * 2), list(range(1000)), list(range(1001)),
    functools.partial(len, 1), "x".join, "y".join, lambda s, r: s,
]  # fmt: skip


@pytest.mark.slow
def test_values_of_attributes_differ():
    described = [json.dumps(describe_function(Noise(value))) for value in VALUES]
    assert len(set(described)) == len(VALUES)
    again = [json.dumps(describe_function(Noise(value))) for value in VALUES]
    assert described == again
    assert max(map(len, described)) < 1500


def test_a_function_and_its_arguments():
    def f(sample: Any, rng: Any, *by: Any, **more: Any) -> Any:
        return sample

    described = describe_function(functools.partial(f, 3, scale=Settings(2.0)))
    assert described["partial"] == describe_function(f)
    assert described["arguments"] == [3]
    assert described["keywords"]["scale"]["attributes"] == {"scale": 2.0, "mean": None}
    bound = describe_function(Noise(1).method)
    assert bound["name"] == "Noise.method"
    assert bound["self"]["attributes"] == {"settings": 1}


def test_slots_and_base_classes(define):
    text = """
    class Base:
        __slots__ = ("low",)

        def __call__(self, s, r):
            return {number}

    class Slotted(Base):
        __slots__ = ("high",)

        def __init__(self, low, high):
            self.low, self.high = low, high
    """
    one = describe_function(define(text.format(number=1)).Slotted(1, 2))
    assert one["attributes"] == {"low": 1, "high": 2}
    assert describe_function(define(text.format(number=2)).Slotted(1, 2))["source"] != one["source"]


def test_what_changes_while_it_is_used_does_not_count():
    augment = Noise(np.random.default_rng(0), older=random.Random(0))
    before = describe_function(augment)
    augment.settings.random(), augment.older.random()
    assert describe_function(augment) == before
    assert describe_function(Noise(object())) == describe_function(Noise(object()))


def test_values_that_refer_to_themselves():
    augment = Noise([1])
    augment.settings.append(augment)
    assert '"omitted": true' in json.dumps(describe_function(augment))

    def recursive(sample: Any, rng: Any) -> Any:
        return recursive(sample, rng)

    assert json.dumps(describe_function(recursive))
    deep: Any = 0
    for _ in range(500):
        deep = [deep]
    assert json.dumps(describe_function(Noise(deep)))


def test_an_own_fingerprint_replaces_all_else():
    class Versioned(Noise):
        def fingerprint(self) -> Any:
            return self.settings

    one, two = Versioned({"release": 1}, calls=3), Versioned({"release": 1}, calls=4)
    assert describe_function(one) == describe_function(two)
    assert describe_function(one)["fingerprint"] == {"release": 1}
    with pytest.raises(TypeError, match=r"`augment.fingerprint\(\)` must return plain JSON"):
        describe_function(Versioned(object()))


def test_library_code_among_the_values_is_represented_by_its_name():
    assert describe_function(Noise(textwrap.dedent))["attributes"]["settings"] == {
        "module": "textwrap",
        "name": "dedent",
    }
    assert "source" in describe_function(textwrap.dedent)


@pytest.mark.parametrize("function", [describe_function, natural_key, is_image_file])
def test_code_of_every_part_of_this_package_is_represented_by_its_name(function):
    assert describe_function(function) == {
        "module": function.__module__,
        "name": function.__name__,
    }


def test_large_arrays_are_represented_by_some_rows(monkeypatch):
    monkeypatch.setattr("keras_bigdata.packing.identity.function_fingerprint.HASHED_BYTES", 1000)
    array = np.arange(5000)
    before = describe_function(Noise(array.copy()))
    array[0] = -1
    assert describe_function(Noise(array)) != before
    array[0], array[1] = 0, -1
    assert describe_function(Noise(array)) == before
