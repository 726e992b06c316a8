"""How fast pipelines feed `fit`: a ShardSequence against what one would write instead.

    python examples/compare_pipelines.py [FOLDER] [--samples N] [--rounds N]

Makes a data set of random images and tokens in each pipeline's own format, in a temporary folder,
and times each pipeline in a process of its own, in turn, several rounds, with a model that trains
nothing. What counts are the ratios; the figures depend on the machine. An epoch is the time from
its first batch to its end (the median over epochs and rounds), and the shortest time that lay
between the end of one and the first batch of the next: filling a shuffle buffer counts. In some of
these gaps, more of them on a busy machine, TensorFlow waits for a thread of its own for up to as
long as an epoch, whatever feeds it. The first epoch is left out.

With the defaults it needs 4 GB of disk, 3 GB of memory, TensorFlow, and about four minutes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pickle
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np

SIDE, TOKENS, SHARD, BATCH = 128, 64, 512, 128
LEAST_EPOCHS = 4  # of one measurement, and the first
# An epoch of the slow pipelines is this many samples: their rate does not depend on it.
MOST_OF_SLOW = 2048


def make(folder: Path, count: int) -> None:
    """The same samples as pickles, .npy, TFRecord, HDF5 and (the first of them) JPEG files."""
    import h5py
    import tensorflow as tf
    from PIL import Image

    for name in ("pickles", "records"):
        (folder / name).mkdir(parents=True)
    shape = (count, SIDE, SIDE, 3)
    mapped = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
    texts, labels = [], []
    with h5py.File(folder / "all.h5", "w") as hdf5:
        stored = hdf5.create_dataset("images", shape, np.uint8, chunks=(1, SIDE, SIDE, 3))
        for number, start in enumerate(range(0, count, SHARD)):
            rng = np.random.default_rng(number)
            coarse = rng.integers(0, 240, (SHARD, 8, 8, 3), np.uint8)
            images = coarse.repeat(SIDE // 8, 1).repeat(SIDE // 8, 2)
            images += rng.integers(0, 16, images.shape, np.uint8)
            shard = {
                "images": images,
                "texts": rng.integers(0, 30_000, (SHARD, TOKENS)).astype(np.int32),
                "labels": np.arange(start, start + SHARD, dtype=np.int32),
            }
            with open(folder / f"pickles/{number:05d}.pkl", "wb") as file:
                pickle.dump(shard, file, protocol=4)
            mapped[start : start + SHARD] = stored[start : start + SHARD] = images
            texts.append(shard["texts"])
            labels.append(shard["labels"])
            with tf.io.TFRecordWriter(str(folder / f"records/{number:05d}.tfrecord")) as records:
                for row in range(SHARD):
                    parts = [shard[name][row].tobytes() for name in ("images", "texts", "labels")]
                    records.write(_example(parts))
                    if start + row < MOST_OF_SLOW:
                        target = folder / f"photos/{(start + row) % 10}/{start + row:06d}.jpg"
                        target.parent.mkdir(parents=True, exist_ok=True)
                        Image.fromarray(images[row]).save(target, quality=90)
        hdf5["texts"], hdf5["labels"] = np.concatenate(texts), np.concatenate(labels)
    if has_grain():
        _make_array_records(folder, mapped[:MOST_OF_SLOW], np.concatenate(texts))
    mapped.flush()
    np.save(folder / "texts.npy", np.concatenate(texts))
    np.save(folder / "labels.npy", np.concatenate(labels))


def has_grain() -> bool:
    """Whether grain and the file format that it is used with are installed."""
    return all(importlib.util.find_spec(name) for name in ("grain", "array_record"))


def _make_array_records(folder: Path, images: Any, texts: Any) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    writer = ArrayRecordWriter(str(folder / "all.array_record"), "group_size:1,uncompressed")
    for row, image in enumerate(images):
        writer.write(image.tobytes() + texts[row].tobytes() + np.int32(row).tobytes())
    writer.close()


def _example(parts: list[bytes]) -> bytes:
    import tensorflow as tf

    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[part]))
        for name, part in zip(("image", "text", "label"), parts, strict=True)
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


# ---- Pipelines: each gives the arguments of `fit`, and the samples of an epoch if not all


def shard_sequence(folder: Path, count: int) -> dict[str, Any]:
    from keras_bigdata import ShardSequence

    fields: dict[str, Any] = {"inputs": ("texts", "images"), "targets": "labels"}
    return {"x": ShardSequence(folder / "pickles", BATCH, **fields), "shuffle": False}


def as_dataset(folder: Path, count: int) -> dict[str, Any]:
    return {"x": shard_sequence(folder, count)["x"].as_dataset()}


def arrays_in_memory(folder: Path, count: int) -> dict[str, Any]:
    x = (np.load(folder / "texts.npy"), np.load(folder / "images.npy"))
    return {"x": x, "y": np.load(folder / "labels.npy"), "batch_size": BATCH}


def memmap_in_pydataset(folder: Path, count: int) -> dict[str, Any]:
    import keras

    images = np.load(folder / "images.npy", mmap_mode="r")
    texts, labels = np.load(folder / "texts.npy"), np.load(folder / "labels.npy")

    class Mapped(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.on_epoch_end()

        def __len__(self) -> int:
            return count // BATCH

        def __getitem__(self, index: int) -> Any:
            rows = np.sort(self.order[index * BATCH : (index + 1) * BATCH])
            return (texts[rows], images[rows]), labels[rows]

        def on_epoch_end(self) -> None:
            self.order = np.random.permutation(count)

    return {"x": Mapped(), "shuffle": False}


def hdf5_in_pydataset(folder: Path, count: int) -> dict[str, Any]:
    import h5py
    import keras

    file = h5py.File(folder / "all.h5")

    class Stored(keras.utils.PyDataset):
        def __len__(self) -> int:
            return count // BATCH

        def __getitem__(self, index: int) -> Any:
            rows = slice(index * BATCH, (index + 1) * BATCH)
            return (file["texts"][rows], file["images"][rows]), file["labels"][rows]

    return {"x": Stored()}


def generator_over_pickles(folder: Path, count: int) -> dict[str, Any]:
    files = sorted((folder / "pickles").iterdir())

    def batches() -> Any:
        while True:
            random.shuffle(files)
            for name in files:
                with open(name, "rb") as file:
                    shard = pickle.load(file)
                for start in range(0, SHARD, BATCH):
                    rows = slice(start, start + BATCH)
                    x = (shard["texts"][rows], shard["images"][rows])
                    yield x, shard["labels"][rows]

    return {"x": batches(), "steps_per_epoch": count // BATCH, "shuffle": False}


def tfrecord(folder: Path, count: int) -> dict[str, Any]:
    import tensorflow as tf

    kinds = {name: tf.io.FixedLenFeature([], tf.string) for name in ("image", "text", "label")}

    def parsed(serialized: Any) -> Any:
        found = tf.io.parse_example(serialized, kinds)
        image = tf.reshape(tf.io.decode_raw(found["image"], tf.uint8), (-1, SIDE, SIDE, 3))
        text = tf.reshape(tf.io.decode_raw(found["text"], tf.int32), (-1, TOKENS))
        return (text, image), tf.io.decode_raw(found["label"], tf.int32)

    files = tf.data.Dataset.list_files(str(folder / "records/*"), shuffle=True)
    records = files.interleave(
        tf.data.TFRecordDataset,
        cycle_length=6,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=False,
    )
    batches = records.shuffle(6 * SHARD).batch(BATCH, drop_remainder=True)
    return {
        "x": batches.map(parsed, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    }


def jpeg_folder(folder: Path, count: int) -> dict[str, Any]:
    import keras

    photos = keras.utils.image_dataset_from_directory(
        folder / "photos", image_size=(SIDE, SIDE), batch_size=BATCH, verbose=False
    )
    return {"x": photos, "samples": min(count, MOST_OF_SLOW)}


def grain_over_array_record(folder: Path, count: int) -> dict[str, Any]:
    import grain

    source = grain.sources.ArrayRecordDataSource(str(folder / "all.array_record"))
    pixels = SIDE * SIDE * 3

    def parsed(record: bytes) -> Any:
        content = np.frombuffer(record, np.uint8)
        numbers = content[pixels:].view(np.int32)
        return (numbers[:-1], content[:pixels].reshape(SIDE, SIDE, 3)), numbers[-1]

    records = grain.MapDataset.source(source).shuffle(seed=0).map(parsed)
    return {"x": records.batch(BATCH, drop_remainder=True), "samples": min(count, MOST_OF_SLOW)}


PIPELINES = {
    "ShardSequence": shard_sequence,
    "ShardSequence.as_dataset()": as_dataset,
    "arrays in memory": arrays_in_memory,
    "np.memmap in a PyDataset": memmap_in_pydataset,
    "h5py in a PyDataset, in order": hdf5_in_pydataset,
    "generator over pickles": generator_over_pickles,
    "TFRecord, window shuffle": tfrecord,
    "JPEG folder": jpeg_folder,
}
if has_grain():
    PIPELINES["grain over ArrayRecord"] = grain_over_array_record


def measure(folder: Path, name: str, seconds: float) -> float:
    """Samples a second of one pipeline, in this process."""
    import keras
    import tensorflow as tf

    class Null(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.built = True
            self.compile("sgd")

        def call(self, x: Any) -> Any:
            return x

        def train_step(self, data: Any) -> Any:
            return {"loss": tf.zeros(())}

    class Times(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.firsts: list[float] = []
            self.ends: list[float] = []

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 0:
                self.firsts.append(time.perf_counter())

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.ends.append(time.perf_counter())
            enough = self.ends[-1] - self.ends[0] >= seconds
            self.model.stop_training = enough and len(self.ends) > LEAST_EPOCHS

        def typical(self) -> float:
            firsts = self.firsts[1:]
            gaps = [first - end for end, first in zip(self.ends, firsts, strict=False)]
            epochs = [end - first for first, end in zip(firsts, self.ends[1:], strict=True)]
            return min(gaps) + statistics.median(epochs)

    count = len(np.load(folder / "labels.npy", mmap_mode="r"))
    arguments = PIPELINES[name](folder, count)
    samples, times = arguments.pop("samples", count), Times()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Null().fit(epochs=1_000_000, verbose=0, callbacks=[times], **arguments)
    return samples / times.typical()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", nargs="?", help="where to make the data; removed at the end")
    parser.add_argument("--samples", type=int, default=16_384, help=f"a multiple of {SHARD}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement, at least")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(Path(arguments.one[0]), arguments.one[1], arguments.seconds)))
        return
    if arguments.samples < SHARD or arguments.samples % SHARD or arguments.rounds < 1:
        parser.error(f"--samples must be a multiple of {SHARD}, --rounds at least 1")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as directory:
        folder = Path(directory) / "data"
        print(f"making {arguments.samples} samples ...", flush=True)
        make(folder, arguments.samples)
        rates: dict[str, list[float]] = {name: [] for name in PIPELINES}
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds} ...", flush=True)
            for name, found in rates.items():
                command = [sys.executable, __file__, f"--seconds={arguments.seconds}"]
                command += ["--one", str(folder), name]
                result = subprocess.run(command, capture_output=True, text=True, check=False)
                if result.returncode:
                    sys.exit(f"{name} failed:\n{result.stderr}")
                found.append(json.loads(result.stdout.splitlines()[-1]))
    row_bytes = SIDE * SIDE * 3 + 4 * TOKENS + 4
    ours = statistics.median(rates["ShardSequence"])
    print(f"{'':32} {'samples/s':>10} {'GB/s':>6}  ShardSequence against it")
    for name, found in rates.items():
        rate = statistics.median(found)
        gigabytes = rate * row_bytes / 1e9  # of what `fit` gets, not of what lies on the disk
        print(f"{name:32} {rate:10,.0f} {gigabytes:6.2f}  {ours / rate:6.2f}")


if __name__ == "__main__":
    main()
