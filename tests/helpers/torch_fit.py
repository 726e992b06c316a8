"""One of several processes of `torch.distributed` in which `fit` of Keras trains a model:
`python -m tests.helpers.torch_fit RANK SIZE PORT DIRECTORY OUT`.
"""

from __future__ import annotations

import gc
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import torch.distributed

from keras_bigdata import InputReport, ShardSequence

RANK, SIZE, PORT = (int(argument) for argument in sys.argv[1:4])
DIRECTORY, OUT = sys.argv[4], Path(sys.argv[5])


def main() -> None:
    if SIZE > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"tcp://127.0.0.1:{PORT}", rank=RANK, world_size=SIZE
        )
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((3,)), layers.Rescaling(0.01), layers.Dense(8, "relu"), layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, weighted_metrics=["accuracy"])
    train = ShardSequence(DIRECTORY, 16, seed=3, part="auto")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = InputReport(verbose=0)
        history = model.fit(train, epochs=3, verbose=0, callbacks=[report]).history
    texts = [str(each.message) for each in caught]
    separate = [text for text in texts if "shares nothing with those of other" in text]
    if SIZE > 1 and not hasattr(model, "ddp_model"):  # Keras 3.15
        (text,) = separate
        assert "On torch, install Keras 3.16" in text, text
        assert "torch.distributed.init_process_group" in text, text
    else:
        assert not separate, separate
    weights = [np.array(each) for each in model.get_weights()]
    joined = not separate
    waits = history["input_wait"]
    np.savez(OUT / f"fit.{RANK}.npz", *weights, joined=joined, epoch=train.epoch, waits=waits)
    if SIZE > 1:
        # Keras 3.16 wraps the model in a DistributedDataParallel: see `torch_process`.
        del model, report
        gc.collect()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
