"""A function that a user names on the command line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_bigdata.packing.samples import describe_error


def named_function(name: str) -> Callable[..., Any]:
    """Imports `module:function`, from the current directory too.

    Raises:
        ValueError: if there is no such module or function, or if the module cannot be imported.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ValueError(
            f"expected module:function, such as my_training:batches. Received: {name!r}"
        )
    if module_name.endswith(".py") or "/" in module_name:
        raise ValueError(
            f"{name}: name the module as in an import, without folders and .py: "
            f"{Path(module_name).stem}:{attribute}, from the folder that holds it."
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module_name
        why = (
            f"there is no such module here ({here}) or installed"
            if missing
            else describe_error(error)
        )
        raise ValueError(f"{name}: {module_name} cannot be imported: {why}.") from error
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [key for key, value in vars(module).items() if _is_own(value, module_name)]
            raise ValueError(
                f"{name}: {module_name} has no {attribute}. Its functions are: "
                f"{', '.join(public) or 'none'}."
            )
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(
            f"{name}: is no function but an object of type {type(found).__name__}. Name a function "
            "without arguments that returns it."
        )
    return found  # type: ignore[no-any-return]


def _is_own(value: Any, module_name: str) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module_name
