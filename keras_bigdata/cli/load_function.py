"""Functions that the user names on the command line as `MODULE:FUNCTION`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_bigdata.packing.samples.samples import describe_error


def load_function(name: str) -> Callable[..., Any]:
    """Imports `MODULE:FUNCTION`, also from the current directory.

    Raises:
        ValueError: if the module cannot be imported or has no such function.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ValueError(
            f"expected MODULE:FUNCTION, such as my_training:batches. Received: {name!r}"
        )
    if module_name.endswith(".py") or "/" in module_name:
        raise ValueError(
            f"{name}: write the module as in an import statement, without directories and .py: "
            f"{Path(module_name).stem}:{attribute}. Run the command in the module's directory."
        )
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module_name
        reason = f"it is neither installed nor in {directory}" if missing else describe_error(error)
        raise ValueError(f"{name}: {module_name} cannot be imported: {reason}.") from error
    function: Any = module
    for part in attribute.split("."):
        if not hasattr(function, part):
            functions = [
                key
                for key, value in vars(module).items()
                if callable(value) and getattr(value, "__module__", None) == module_name
            ]
            raise ValueError(
                f"{name}: {module_name} has no attribute {attribute!r}. Its functions: "
                f"{', '.join(functions) or 'none'}."
            )
        function = getattr(function, part)
    if not callable(function):
        raise ValueError(
            f"{name}: expected a function without arguments. Received: an object of type "
            f"{type(function).__name__}. Write a function that returns it."
        )
    return function  # type: ignore[no-any-return]


def call_function(function: Callable[..., Any], name: str) -> Any:
    """Calls a function of the user without arguments.

    Args:
        function: the function.
        name: its name on the command line, for the error message.

    Raises:
        ValueError: if the function raises; names the function, the error and its line.
    """
    try:
        return function()
    except Exception as error:
        raise ValueError(f"{name}() raised {describe_error(error)}") from error
