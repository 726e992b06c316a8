"""Compares the throughput of a `ShardSequence` with that of other input pipelines.

    python examples/compare_pipelines.py [FOLDER] [--samples N] [--rounds N]

The script writes a data set of random images and tokens in the format of each pipeline into a
temporary folder. Then it measures `fit` with a model that trains nothing: each pipeline in its own
process, in turn, in several rounds. The figures depend on the machine, the ratios less so.
`keras_bigdata.bench.null_model.EpochTimer` describes how the time of an epoch is measured.

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
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np

SIDE, TOKENS, SHARD, BATCH = 128, 64, 512, 128
# Maximum samples per epoch of the slow pipelines: their throughput does not depend on it.
MAX_SLOW_SAMPLES = 2048


def write_data(folder: Path, count: int) -> None:
    """Writes the same samples as pickles, .npy, TFRecord and HDF5, and the first ones as JPEG."""
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
                    if start + row < MAX_SLOW_SAMPLES:
                        target = folder / f"photos/{(start + row) % 10}/{start + row:06d}.jpg"
                        target.parent.mkdir(parents=True, exist_ok=True)
                        Image.fromarray(images[row]).save(target, quality=90)
        hdf5["texts"], hdf5["labels"] = np.concatenate(texts), np.concatenate(labels)
    if has_grain():
        _write_array_records(folder, mapped[:MAX_SLOW_SAMPLES], np.concatenate(texts))
    mapped.flush()
    np.save(folder / "texts.npy", np.concatenate(texts))
    np.save(folder / "labels.npy", np.concatenate(labels))


def has_grain() -> bool:
    """Returns whether grain and the file format that is used with it are installed."""
    return all(importlib.util.find_spec(name) for name in ("grain", "array_record"))


def _write_array_records(folder: Path, images: Any, texts: Any) -> None:
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


# Pipelines: each returns the arguments of `fit`, and the samples per epoch if not all are used.


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

    class MemmapDataset(keras.utils.PyDataset):
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

    return {"x": MemmapDataset(), "shuffle": False}


def hdf5_in_pydataset(folder: Path, count: int) -> dict[str, Any]:
    import h5py
    import keras

    file = h5py.File(folder / "all.h5")

    class HDF5Dataset(keras.utils.PyDataset):
        def __len__(self) -> int:
            return count // BATCH

        def __getitem__(self, index: int) -> Any:
            rows = slice(index * BATCH, (index + 1) * BATCH)
            return (file["texts"][rows], file["images"][rows]), file["labels"][rows]

    return {"x": HDF5Dataset()}


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

    features = {name: tf.io.FixedLenFeature([], tf.string) for name in ("image", "text", "label")}

    def parse(serialized: Any) -> Any:
        example = tf.io.parse_example(serialized, features)
        image = tf.reshape(tf.io.decode_raw(example["image"], tf.uint8), (-1, SIDE, SIDE, 3))
        text = tf.reshape(tf.io.decode_raw(example["text"], tf.int32), (-1, TOKENS))
        return (text, image), tf.io.decode_raw(example["label"], tf.int32)

    files = tf.data.Dataset.list_files(str(folder / "records/*"), shuffle=True)
    records = files.interleave(
        tf.data.TFRecordDataset,
        cycle_length=6,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=False,
    )
    batches = records.shuffle(6 * SHARD).batch(BATCH, drop_remainder=True)
    return {"x": batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)}


def jpeg_folder(folder: Path, count: int) -> dict[str, Any]:
    import keras

    photos = keras.utils.image_dataset_from_directory(
        folder / "photos", image_size=(SIDE, SIDE), batch_size=BATCH, verbose=False
    )
    return {"x": photos, "samples": min(count, MAX_SLOW_SAMPLES)}


def grain_over_array_record(folder: Path, count: int) -> dict[str, Any]:
    import grain

    source = grain.sources.ArrayRecordDataSource(str(folder / "all.array_record"))
    pixels = SIDE * SIDE * 3

    def parse(record: bytes) -> Any:
        content = np.frombuffer(record, np.uint8)
        numbers = content[pixels:].view(np.int32)
        return (numbers[:-1], content[:pixels].reshape(SIDE, SIDE, 3)), numbers[-1]

    records = grain.MapDataset.source(source).shuffle(seed=0).map(parse)
    return {"x": records.batch(BATCH, drop_remainder=True), "samples": min(count, MAX_SLOW_SAMPLES)}


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
    """Measures one pipeline in this process, in samples per second."""
    from keras_bigdata.bench.null_model import NullModel, measure_fit

    count = len(np.load(folder / "labels.npy", mmap_mode="r"))
    arguments = PIPELINES[name](folder, count)
    samples = arguments.pop("samples", count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measure_fit(NullModel(jit_compile="auto"), samples, seconds, **arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", nargs="?", help="folder for the data, which are removed")
    parser.add_argument("--samples", type=int, default=16_384, help=f"a multiple of {SHARD}")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--seconds", type=float, default=1.0, help="minimum time of a measurement")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(Path(arguments.one[0]), arguments.one[1], arguments.seconds)))
        return
    if arguments.samples < SHARD or arguments.samples % SHARD or arguments.rounds < 1:
        parser.error(f"--samples must be a multiple of {SHARD}, --rounds at least 1")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as directory:
        folder = Path(directory) / "data"
        print(f"writing {arguments.samples} samples ...", flush=True)
        write_data(folder, arguments.samples)
        rates: dict[str, list[float]] = {name: [] for name in PIPELINES}
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds} ...", flush=True)
            for name, measured in rates.items():
                command = [sys.executable, __file__, f"--seconds={arguments.seconds}"]
                command += ["--one", str(folder), name]
                result = subprocess.run(command, capture_output=True, text=True, check=False)
                if result.returncode:
                    sys.exit(f"{name} failed:\n{result.stderr}")
                measured.append(json.loads(result.stdout.splitlines()[-1]))
    row_bytes = SIDE * SIDE * 3 + 4 * TOKENS + 4
    sequence_rate = statistics.median(rates["ShardSequence"])
    print(f"{'':32} {'samples/s':>10} {'GB/s':>6}  ShardSequence / this")
    for name, measured in rates.items():
        rate = statistics.median(measured)
        gigabytes = rate * row_bytes / 1e9  # decoded, as `fit` receives them
        print(f"{name:32} {rate:10,.0f} {gigabytes:6.2f}  {sequence_rate / rate:6.2f}")


if __name__ == "__main__":
    main()
