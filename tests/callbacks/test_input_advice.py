"""The advice names the stage that limits, and what helps there."""

from __future__ import annotations

import dataclasses

import pytest

from keras_bigdata.callbacks.waiting.input_advice import InputSettings, advice, find_limit

SETTINGS = InputSettings(
    workers=2,
    in_processes=False,
    has_transform=True,
    threads=2,
    cores=8,
    is_remote=False,
    has_cache=False,
    has_fast_jpeg=True,
)
EPOCH = {
    **{"seconds": 10.0, "wait": 0.38, "first_batch": 0.1, "batches": 100, "rows": 6400},
    **{"read": 1.0, "decode": 0.0, "transform": 2.0, "transform_cpu": 2.0, "conversion": 0.5},
    "read_bytes": 10**9,
}


@pytest.mark.parametrize(
    ("epoch", "settings", "held", "limit", "text"),
    [
        ({"wait": 0.04}, {}, False, "model", "waited 4% of the epoch for data; the model is the"),
        ({"first_batch": 3.0}, {}, False, "start", "before the first batch: longer epochs"),
        ({"read": 9.0}, {}, False, "read", 'reading is the limit (100 MB/s)'),
        ({"read": 9.0}, {"is_remote": True}, False, "read", "Shards(url, cache=directory)"),
        ({"read": 9.0}, {"is_remote": True, "has_cache": True}, False, "read", "`cache_bytes`"),
        ({"decode": 19.0}, {"has_fast_jpeg": False}, False, "decode", "keras_bigdata[jpeg]"),
        ({"decode": 19.0}, {"threads": 16}, False, "decode", "all cores in use"),
        ({"transform": 19.0, "transform_cpu": 10.0}, {}, True, "transform",
         "it holds the GIL: use_multiprocessing=True would help. Faster input could make this "
         "epoch at most 61% faster."),
        ({"transform": 19.0, "transform_cpu": 18.0}, {}, False, "transform", "workers=8"),
        ({"transform": 19.0, "transform_cpu": 18.0}, {"cores": 2}, False, "transform",
         "all cores in use"),
        ({"transform": 19.0, "transform_cpu": 1.0}, {}, False, "transform", "waits most of"),
        ({"transform": 19.0, "transform_cpu": 1.0}, {}, True, "transform", "waits most of"),
        ({"wait": None}, {"change": "map"}, False, "model", "`map` follows as_dataset()"),
        ({"transform": 19.0, "read": 2.0}, {"in_processes": True}, False, "transform",
         "workers=8 would use all cores"),
        ({"conversion": 9.0}, {}, False, "conversion", "train.as_dataset()"),
        ({"conversion": 9.0, "read_bytes": 10**6}, {}, False, "conversion", "larger `batch_size`"),
        ({"read": 4.0}, {"workers": 0}, False, "read", "workers=0 loads each batch only when"),
        ({"wait": 0.01, "seconds": 0.1, "read_bytes": 10**6}, {}, False, "model",
         "steps_per_execution"),
        ({"read": 0.1, "transform": 0.1, "read_bytes": 10**6}, {}, False, "delivery",
         "a batch of 64 rows takes longer to deliver to `fit` than to load: a larger `batch_size`"),
        ({"read": 0.1, "transform": 0.1, "read_bytes": 10**6}, {"workers": 0}, False, "delivery",
         "a larger `batch_size` would help"),
        ({"read": 0.1, "transform": 0.1}, {}, False, "delivery",
         "loading was busy for 0.70 s of the epoch, which does not explain it"),
        ({"read": 0.1, "transform": 0.1}, {"workers": 0}, False, "delivery", "workers=0 loads"),
        # Steps of 1 ms: a disk that delivers 20 bytes in 0.8 ms is not what limits them.
        ({"read": 8.0, "batches": 10_000, "rows": 10_000, "read_bytes": 200_000}, {}, False,
         "delivery", "larger `batch_size`"),
        ({"read": 8.0, "batches": 10_000, "rows": 10_000, "read_bytes": 200_000},
         {"is_remote": True}, False, "read", "downloading is the limit"),
        ({"read": 8.0, "batches": 10_000, "rows": 10_000}, {}, False, "read",
         "reading is the limit (100 MB/s)"),
        ({"wait": 0.8, "read": 9.0}, {}, False, "read", "at most 5.0 times as fast."),
        ({"wait": None}, {}, False, "model", "It is not known how long"),
        ({"wait": None, "transform_cpu": 9.0}, {}, True, "model", "It is not known how long"),
        ({"wait": 0.03, "transform_cpu": 6.0}, {}, True, "transform",
         "waited 3% of the epoch for data, but `transform` runs for 60% of it in threads of this "
         "process, and steps of `fit` wait for the GIL: use_multiprocessing=True would help."),
        ({"wait": 0.03, "transform_cpu": 6.0}, {}, False, "model", "the model is the limit"),
        ({"wait": 0.03, "transform_cpu": 2.0}, {}, True, "model", "the model is the limit"),
        ({"wait": 0.03, "transform_cpu": 6.0}, {"in_processes": True}, True, "model",
         "the model is the limit"),
    ],
)  # fmt: skip
def test_the_stage_that_is_busy_is_named(epoch, settings, held, limit, text):
    record = {**EPOCH, **epoch}
    settings = dataclasses.replace(SETTINGS, **settings)
    assert find_limit(record, settings, gil_is_held=held) == limit
    assert text in advice(record, settings, limit, gil_is_held=held)
