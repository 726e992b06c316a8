"""What `install()` changes can be taken back as a whole."""

from __future__ import annotations

import types

from keras_bigdata.legacy import patching


class Base:
    def method(self):
        return 1


class Derived(Base):
    pass


def test_what_was_replaced_twice_comes_back_as_it_was():
    patching.replace(Derived, "method", lambda self: 2)
    patching.replace(Derived, "method", lambda self: 3)
    patching.wrap(Base, "method", lambda former: lambda self: former(self) + 10)
    patching.wrap(Base, "method", lambda former: lambda self: former(self) + 100)
    patching.add_name(Base, "new", 5)
    patching.add_name(Base, "method", 5)
    added = patching.add_module("keras_bigdata_old_module", types.ModuleType("a"))
    assert patching.add_module("keras_bigdata_old_module", types.ModuleType("b")) is added
    assert (Derived().method(), Base().method(), Base.new) == (2, 11, 5)
    patching.restore_all()
    assert (Derived().method(), Base().method()) == (1, 1)
    assert not hasattr(Base, "new")
    assert "method" not in vars(Derived)
    assert "keras_bigdata_old_module" not in __import__("sys").modules


def _add_ten(former):
    return lambda self: former(self) + 10


def _double(former):
    return lambda self: former(self) * 2


def test_two_topics_wrap_one_method_once_each():
    for _ in range(2):
        patching.wrap(Base, "method", _add_ten)
        patching.wrap(Base, "method", _double)
    assert Base().method() == 22
    patching.restore_all()
    assert Base().method() == 1


def add_one(former):
    return lambda self: former(self) + 1


def test_several_topics_change_one_function_and_modules_are_replaced():
    patching.wrap(Base, "method", lambda former: lambda self: former(self) + 10)
    for _ in range(2):
        patching.wrap(Base, "method", add_one)
        patching.replace_module("colorsys", types.ModuleType("colorsys"))
    assert Base().method() == 12
    assert not hasattr(__import__("colorsys"), "rgb_to_hsv")
    patching.restore_all()
    assert Base().method() == 1
    assert hasattr(__import__("colorsys"), "rgb_to_hsv")
