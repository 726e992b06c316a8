"""A remote store, and a set for it, that several tests of remote sets share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.helpers.store import Store


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory that counts, delays and fails requests."""
    pytest.importorskip("fsspec")
    from tests.helpers.store import Store

    with Store() as store:
        yield store


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed set of 24 shards with 10 rows of 5 kB. The labels are the numbers of the rows."""
    pytest.importorskip("fsspec")
    from tests.helpers.store import pack_numbers

    return pack_numbers(tmp_path_factory.mktemp("remote") / "set")
