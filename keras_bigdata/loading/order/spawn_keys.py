"""First parts of the spawn keys of random streams, so that no two uses of a seed share one."""

from enum import IntEnum


class SpawnKey(IntEnum):
    """What a random stream is for. The numbers must not change: recorded orders depend on them."""

    SHARDS = 0
    WINDOW = 1
    GLOBAL = 2
    TRANSFORM = 3
    SUBSTITUTES = 4
    BALANCE = 5
    DECODE = 6
    BUCKET = 7
