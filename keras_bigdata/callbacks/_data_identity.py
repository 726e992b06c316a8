"""What a sequence serves and in which order, as a small dict that can be compared."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_bigdata.loading.sequence import ShardSequence


def identity(sequence: ShardSequence) -> dict[str, Any]:
    """Everything that decides about the batches, except `transform`, the seed and the position."""
    state = sequence.state_dict()
    for key in ("version", "epoch", "batch", "seed"):
        del state[key]
    roles = sequence.roles
    return {
        **state,
        "inputs": repr(roles.inputs),
        "targets": repr(roles.targets),
        "sample_weights": repr(roles.sample_weights),
        "fields": [str(sequence.fields[name]) for name in roles.names],
        "fingerprint of the shards": _fingerprint(sequence.index),
    }


def _fingerprint(index: Any) -> str:
    """A hash of names, sizes and, where the index has them, checksums; files are not read."""
    digest = hashlib.sha256()
    for column in (index.samples, index.sizes, index.checksums, index.variant):
        digest.update(column.astype("<i8").tobytes())
    digest.update("\0".join(index.names).encode())
    return digest.hexdigest()[:16]
