"""Trains from and to a store, and kills itself in the middle; run by `test_resume_from_s3.py`.

    python -m tests.helpers.train_to_url URL ENDPOINT SECRET RESULT [MOMENT OBJECT]

Everything that is shared between two runs lies behind the URL. `MOMENT` is "before" or "after" the
store has received the object, "during" its upload in several parts, or "batch". `OBJECT` is a part
of its name, or the number of a batch. If it is a checkpoint, the second one of the process counts.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras
import s3fs

from keras_bigdata import (
    BestWeightsEarlyStopping,
    ResumeTraining,
    ScoreLog,
    ShardSequence,
    WeightedValidation,
)


class KillInBatch(keras.callbacks.Callback):
    """Kills the process after some batches; 0 for never."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_begin(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            kill()

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(moment, name):
    """Kills the process before, during or after the upload of an object, by a part of its name."""
    seen = set()
    call = s3fs.S3FileSystem._call_s3
    put = s3fs.S3FileSystem._put_file

    async def call_s3(self, method, *arguments, **options):
        is_it = method in ("put_object", "upload_part") and name in options["Key"]
        if is_it:
            seen.add(options["Key"])
            is_it = len(seen) == (2 if "checkpoint" in name else 1)
        if is_it and moment == "before":
            kill()
        result = await call(self, method, *arguments, **options)
        if is_it and moment == "after":
            kill()
        if is_it and moment == "during" and options["PartNumber"] == 1:
            await asyncio.sleep(0.05)
            kill()
        return result

    async def put_file(self, local, remote, **options):
        if moment == "during":  # parts of the smallest size that S3 accepts
            return await put(self, local, remote, chunksize=5 << 20, **options)
        return await put(self, local, remote, **options)

    s3fs.S3FileSystem._call_s3 = call_s3
    s3fs.S3FileSystem._put_file = put_file


def main(url, endpoint, secret, result, moment="", name=""):
    options = {"key": "tester", "secret": secret, "endpoint_url": endpoint}
    if moment not in ("", "batch"):
        kill_at(moment, name)
    keras.utils.set_random_seed(3)
    # 10 MB with the moments of Adam: two parts.
    layers = [keras.Input((6,)), keras.layers.Dropout(0.5), keras.layers.Dense(120_000)]
    head = [keras.layers.Lambda(lambda x: x[:, :4]), keras.layers.Softmax()]
    model = keras.Sequential([*layers, *head])
    model.compile(
        keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    train = ShardSequence(f"{url}/train", 8, seed=1, workers=0, storage_options=options)
    resume = ResumeTraining(f"{url}/checkpoints", train, every=0, storage_options=options)
    callbacks = [
        KillInBatch(int(name) if moment == "batch" else 0),
        WeightedValidation({"val": f"{url}/val"}, storage_options=options),
        BestWeightsEarlyStopping(
            f"{url}/best.weights.h5", "val_loss", patience=9, storage_options=options
        ),
        ScoreLog(f"{url}/scores.pkl", storage_options=options),
    ]
    history = model.fit(
        train, epochs=3, shuffle=False, verbose=0, callbacks=resume.around(callbacks)
    )
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    digest = hashlib.sha256()
    for variable in variables:
        digest.update(keras.ops.convert_to_numpy(variable).tobytes())
    Path(result).write_text(
        json.dumps({"variables": digest.hexdigest(), "history": history.history})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
