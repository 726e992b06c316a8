"""One of several processes that train a torch module with DistributedDataParallel in a loop:
`python -m tests.helpers.torch_process RANK SIZE PORT DIRECTORY OUT`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed

from keras_bigdata import ShardSequence
from keras_bigdata.keras_internals.processes import connected_processes

RANK, SIZE, PORT = (int(argument) for argument in sys.argv[1:4])
DIRECTORY, OUT = sys.argv[4], Path(sys.argv[5])


def new_module():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))


def check_messages():
    """What the callbacks tell each other: a value, an error, and bytes of different lengths."""
    processes = connected_processes()
    assert (processes.rank, processes.size) == (RANK, SIZE)
    assert processes.from_first(lambda: {"rank": RANK, "nan": float("nan")})["rank"] == 0
    assert processes.gather(b"x" * RANK) == [b"x" * rank for rank in range(SIZE)]
    with pytest.raises(ValueError, match="^no$" if RANK == 0 else f"^In process 0 of {SIZE}: no$"):
        processes.from_first(fail)


def fail():
    raise ValueError("no")


def main():
    early = ShardSequence(DIRECTORY, 16, seed=3, part="auto")  # before the processes are connected
    if SIZE > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"tcp://127.0.0.1:{PORT}", rank=RANK, world_size=SIZE
        )
        with pytest.raises(ValueError, match="part='auto'"):
            ShardSequence(DIRECTORY, 16)
        check_messages()
        with pytest.raises(ValueError, match="Connect the processes first"):
            early.on_epoch_begin()
    module = new_module()
    if SIZE > 1:
        module = torch.nn.parallel.DistributedDataParallel(module)
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    sequence = ShardSequence(DIRECTORY, 16, seed=3, part="auto")
    ids = []
    for _ in sequence.epochs(3):
        ids.clear()
        for x, y, *weights in sequence:
            losses = torch.nn.functional.cross_entropy(
                module(torch.as_tensor(x) / 100), torch.as_tensor(y), reduction="none"
            )
            weight = torch.as_tensor(weights[0]) if weights else torch.ones(len(x))
            optimizer.zero_grad()
            (losses * weight).mean().backward()
            optimizer.step()
            ids.extend(x[:, 0][weight.numpy() > 0].tolist())
    weights = [parameter.detach().numpy() for parameter in module.parameters()]
    np.savez(OUT / f"torch.{RANK}.npz", *weights, ids=np.array(ids))
    if SIZE > 1:
        # Its reducer must not be what frees the group: it would wait for a thread of gloo while it
        # holds the GIL, which that thread needs (7 of 143 pairs of processes hung, torch 2.13; 0 of
        # 400 with this line; upstream: https://github.com/pytorch/pytorch/issues/56297).
        del module
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
