"""Trains in custom loops over shards: with `train_on_batch`, and with a step of the backend.

    KERAS_BACKEND=jax python examples/custom_loop.py [FOLDER]

`for x, y in train:` is one epoch, with each row once. The next loop is the next epoch, in another
order. The following batches are read ahead. An epoch whose loop stops early is repeated from its
start. The script trains the same network twice, with `train_on_batch` and with a training step
written for TensorFlow, JAX or PyTorch, and validates in a loop. It takes about 10 seconds. Its
files are removed at the end, unless FOLDER is passed.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from skimage import data

from keras_bigdata import Arrays, ShardSequence, pack

CROP = 28
EPOCHS = 3


def random_crops(count: int, seed: int) -> Arrays:
    """Grayscale crops of two textures, bricks and gravel."""
    rng = np.random.default_rng(seed)
    textures = (data.brick(), data.gravel())
    labels = rng.integers(0, 2, count)
    corners = rng.integers(0, 512 - CROP, (count, 2))
    images = [
        textures[label][y : y + CROP, x : x + CROP, None]
        for label, (y, x) in zip(labels, corners, strict=True)
    ]
    return Arrays(images=np.stack(images), labels=labels)


def build_model() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((CROP, CROP, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(2),
        ]
    )


def compute_loss(labels, logits):
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return keras.ops.mean(losses)


def tensorflow_step(model, optimizer):
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = compute_loss(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step


def jax_step(model, optimizer):
    import jax

    def forward(trainable, non_trainable, x, y):
        logits, non_trainable = model.stateless_call(trainable, non_trainable, x, training=True)
        return compute_loss(y, logits), non_trainable

    @jax.jit
    def pure_step(state, x, y):
        trainable, non_trainable, optimizer_state = state
        (loss, non_trainable), gradients = jax.value_and_grad(forward, has_aux=True)(
            trainable, non_trainable, x, y
        )
        trainable, optimizer_state = optimizer.stateless_apply(
            optimizer_state, gradients, trainable
        )
        return loss, (trainable, non_trainable, optimizer_state)

    optimizer.build(model.trainable_variables)
    variables = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)

    def step(x, y):
        # A longer loop would keep the state in a variable and write it back once per epoch.
        loss, state = pure_step([[v.value for v in part] for part in variables], x, y)
        for part, values in zip(variables, state, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)
        return loss

    return step


def torch_step(model, optimizer):
    import torch

    def step(x, y):
        loss = compute_loss(y, model(x, training=True))
        model.zero_grad()
        loss.backward()
        variables = model.trainable_variables
        with torch.no_grad():
            optimizer.apply([variable.value.grad for variable in variables], variables)
        return loss

    return step


def accuracy(model, batches) -> float:
    correct = [
        keras.ops.convert_to_numpy(model(x, training=False)).argmax(axis=1) == y for x, y in batches
    ]
    return float(np.concatenate(correct).mean())


def main(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    backend = keras.backend.backend()
    pack(random_crops(1200, seed=0), folder / "train", shard_samples=100)
    pack(random_crops(300, seed=1), folder / "val", shard_samples=100)
    validation = ShardSequence(folder / "val", 64, shuffle=None)

    model = build_model()
    model.compile(keras.optimizers.Adam(0.003), compute_loss, metrics=["accuracy"])
    train = ShardSequence(folder / "train", batch_size=32)
    for epoch in train.epochs(EPOCHS):
        for x, y in epoch:
            loss = model.train_on_batch(x, y)[0]
        print(f"train_on_batch, epoch {epoch.number}: last loss {loss:.3f}")
    print(f"train_on_batch on {backend}: validation accuracy {accuracy(model, validation):.3f}")

    model = build_model()
    steps = {"tensorflow": tensorflow_step, "jax": jax_step, "torch": torch_step}
    train_step = steps[backend](model, keras.optimizers.Adam(0.003))
    train = ShardSequence(folder / "train", batch_size=32)
    while train.epoch < EPOCHS:
        losses = [
            train_step(keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y))
            for x, y in train
        ]
        mean = np.mean([float(loss) for loss in losses])
        print(f"custom step, epoch {train.epoch - 1}: mean loss {mean:.3f}")
    print(f"custom step on {backend}: validation accuracy {accuracy(model, validation):.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="custom-loop-") as temporary:
            main(Path(temporary))
