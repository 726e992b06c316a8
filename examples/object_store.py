"""Trains from a bucket: shards in S3, the first epoch from the store, the others from a cache.

    python examples/object_store.py [FOLDER]

The script starts an S3 server on this machine (that of moto, which keeps everything in memory), so
that it needs no account. It writes crops of the photographs that come with scikit-image, packs them
into `s3://photos/train`, and trains from there with a cache on the local disk. After each epoch it
prints how much was read from the store. With a real bucket, only `storage_options` differs, or is
left out if the environment has the credentials. It needs `pip install -e '.[s3]' 'moto[server]'`,
downloads nothing, and takes about 30 seconds on two cores. Its files are removed at the end, unless
FOLDER is passed.
"""

import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import fsspec
import keras
import numpy as np
import s3fs
from moto.server import ThreadedMotoServer
from skimage import color, data, io, util

from keras_bigdata import ImageFolder, Shards, ShardSequence, pack

SIZE = (48, 48)
IMAGES = ("astronaut", "camera", "coffee", "cat", "rocket", "brick", "grass", "gravel")
CROP = 64  # pixels of a crop before it is resized
URL = "s3://photos/train"


class CountingStore(s3fs.S3FileSystem):
    """The driver of s3://, which counts the bytes that are read."""

    bytes_read = 0

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        content = await super()._cat_file(path, *args, **kwargs)
        CountingStore.bytes_read += len(content)
        return content


class PrintReading(keras.callbacks.Callback):
    """Prints after each epoch what was read from the store in it."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        megabytes = CountingStore.bytes_read / 1e6
        CountingStore.bytes_read = 0
        accuracy = (logs or {})["accuracy"]
        print(f"epoch {epoch + 1}: {megabytes:.1f} MB from the store, accuracy {accuracy:.3f}")


def start_server() -> tuple[ThreadedMotoServer, dict[str, Any]]:
    """Starts an S3 server; returns it and the `storage_options` for it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = {"endpoint_url": f"http://{host}:{port}"}
    return server, {"key": "an-example", "secret": "an-example", "client_kwargs": endpoint}


def write_images(folder: Path, crops: int = 150) -> None:
    rng = np.random.default_rng(0)
    for label in IMAGES:
        image = getattr(data, label)()
        image = util.img_as_ubyte(color.gray2rgb(image)) if image.ndim == 2 else image
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(crops):
            y = rng.integers(0, image.shape[0] - CROP)
            x = rng.integers(0, image.shape[1] - CROP)
            crop = image[y : y + CROP, x : x + CROP]
            io.imsave(folder / label / f"{number:03d}.png", crop, check_contrast=False)


def build_model() -> keras.Model:
    layers = [keras.Input((*SIZE, 3), dtype="uint8"), keras.layers.Rescaling(1 / 255)]
    for filters in (16, 32):
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(len(IMAGES))]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def main(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    server, options = start_server()
    fsspec.register_implementation("s3", CountingStore, clobber=True)
    store = fsspec.filesystem("s3", **options)
    store.mkdir("photos")
    write_images(folder / "photos")

    source = ImageFolder(folder / "photos", size=SIZE)
    pack(source, URL, shard_samples=64, storage_options=options)

    shards = Shards(URL, cache=folder / "cache", cache_bytes=1_000_000_000, storage_options=options)
    print(f"{shards.num_samples} images in {URL}")
    train = ShardSequence(shards, batch_size=64)
    CountingStore.bytes_read = 0
    model = build_model()
    model.fit(train, epochs=4, shuffle=False, verbose=0, callbacks=[PrintReading()])
    server.stop()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="object-store-") as temporary:
            main(Path(temporary))
