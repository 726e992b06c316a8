"""The root of a set that lies in several places, of which some are behind URLs."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from keras_bigdata.files import is_url
from keras_bigdata.storage.paths.remote_path import RemotePath

# Maximum number of URLs that a message names.
_LISTED = 3


@dataclass(frozen=True, slots=True)
class JoinedPlaces:
    """Several directories as the root of one set, whose files have absolute names.

    Args:
        remote: the directories behind URLs, with the options of their drivers and their caches.
        local: number of directories on this machine.
    """

    remote: tuple[RemotePath, ...]
    local: int = 0

    def __truediv__(self, name: str | os.PathLike[str]) -> Path | RemotePath:
        text = os.fspath(name)
        if not is_url(text):
            return Path(text)
        for place in self.remote:
            if text.startswith(f"{place.url}/"):
                return replace(place, url=text)  # the name in the URL is quoted already
        raise ValueError(
            f"{text}: is in none of the directories {', '.join(map(str, self.remote))}"
        )

    def __str__(self) -> str:
        more = len(self.remote) - _LISTED
        others = [f"{more} more"] if more > 0 else []
        others += [f"{self.local} local"] if self.local else []
        urls = ", ".join(place.url for place in self.remote[:_LISTED])
        return " and ".join([urls, *others])
