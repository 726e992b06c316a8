"""A directory with the files that the documentation names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.doc_files import write_files


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    return folder


@pytest.fixture
def folder(files, tmp_path, monkeypatch) -> Path:
    """A copy of the files, as current directory."""
    copy = tmp_path / "work"
    shutil.copytree(files, copy)
    monkeypatch.chdir(copy)
    return copy
