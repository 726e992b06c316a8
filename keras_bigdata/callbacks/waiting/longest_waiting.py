"""Which of several processes that train together waits longest for its data."""

from __future__ import annotations

import json
import math
from typing import Any

from keras_bigdata.keras_internals.processes import Processes


def longest_waiting(
    processes: Processes, record: dict[str, Any], advice: str
) -> tuple[dict[str, Any], str]:
    """Returns the record and the advice of the process that waited longest, in all processes.

    The others wait for it in every step, which they cannot tell from a slow model: if one of two
    processes waits 80% of an epoch for its data, the other one measures none.

    Args:
        processes: the processes.
        record: what this process has measured in an epoch, with its share of waiting as `"wait"`,
            `None` if it is unknown. If it is unknown in one process, the longest is unknown.
        advice: what this process would advise.

    Returns:
        The record, with the rank of the process as `"process"` if there are several, and the
        advice.
    """
    if processes.size == 1:
        return record, advice
    found = processes.gather(json.dumps([record, advice]).encode())
    records, texts = zip(*map(json.loads, found), strict=True)
    waits = [math.inf if each["wait"] is None else each["wait"] for each in records]
    rank = waits.index(max(waits))
    return {**records[rank], "process": rank}, texts[rank]
