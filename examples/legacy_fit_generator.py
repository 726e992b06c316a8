"""A Keras 2 script in the style of 2018, which runs unchanged.

    python -m keras_bigdata.legacy examples/legacy_fit_generator.py [FOLDER]

It uses images in class folders, `ImageDataGenerator`, `fit_generator` with its old arguments,
`.hdf5` checkpoints with `{val_acc:.2f}` in their names, and `history.history["acc"]`. Keras 3 has
none of these. The script does not import keras_bigdata. Its images are crops of those in
scikit-image. It takes about 15 seconds on two cores. Its files are removed at the end, unless
FOLDER is passed.
"""

import os
import sys
import tempfile

import numpy as np
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential, load_model
from keras.preprocessing.image import ImageDataGenerator
from skimage import data, io

img_width, img_height = 32, 32
nb_train_samples = 300
nb_validation_samples = 120
epochs = 8
batch_size = 16


def write_images(folder, count, seed):
    rng = np.random.RandomState(seed)
    for name, texture in (("brick", data.brick()), ("grass", data.grass())):
        if not os.path.exists(os.path.join(folder, name)):
            os.makedirs(os.path.join(folder, name))
        for i in range(count // 2):
            y, x = rng.randint(0, 512 - 48, 2)
            crop = np.dstack([texture[y : y + 48, x : x + 48]] * 3)
            io.imsave(os.path.join(folder, name, "%03d.png" % i), crop, check_contrast=False)  # noqa: UP031


temporary = tempfile.TemporaryDirectory()
folder = sys.argv[1] if len(sys.argv) > 1 else temporary.name
np.random.seed(7)
write_images(os.path.join(folder, "train"), nb_train_samples, 0)
write_images(os.path.join(folder, "validation"), nb_validation_samples, 1)

model = Sequential()
model.add(Conv2D(8, (3, 3), strides=2, activation="relu", input_shape=(img_width, img_height, 3)))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Conv2D(16, (3, 3), activation="relu"))
model.add(Flatten())
model.add(Dropout(0.2))
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])

train_datagen = ImageDataGenerator(rescale=1.0 / 255, shear_range=0.1, horizontal_flip=True)
test_datagen = ImageDataGenerator(rescale=1.0 / 255)
train_generator = train_datagen.flow_from_directory(
    os.path.join(folder, "train"),
    target_size=(img_width, img_height),
    batch_size=batch_size,
    class_mode="binary",
)
validation_generator = test_datagen.flow_from_directory(
    os.path.join(folder, "validation"),
    target_size=(img_width, img_height),
    batch_size=batch_size,
    class_mode="binary",
    shuffle=False,
)

checkpoint = ModelCheckpoint(
    os.path.join(folder, "weights.{epoch:02d}-{val_acc:.2f}.hdf5"),
    monitor="val_acc",
    verbose=1,
    save_best_only=True,
    mode="max",
    period=1,
)
history = model.fit_generator(
    train_generator,
    steps_per_epoch=nb_train_samples / batch_size,
    epochs=epochs,
    validation_data=validation_generator,
    validation_steps=np.ceil(nb_validation_samples / batch_size),
    callbacks=[checkpoint, EarlyStopping(monitor="val_acc", patience=5), ReduceLROnPlateau()],
    class_weight={0: 1.0, 1: 1.0},
    max_queue_size=10,
    workers=4,
    use_multiprocessing=False,
    verbose=2,
)
print("training accuracy:", " ".join("%.2f" % value for value in history.history["acc"]))  # noqa: UP031
print("validation accuracy:", " ".join("%.2f" % value for value in history.history["val_acc"]))  # noqa: UP031

best = load_model(
    os.path.join(folder, sorted(f for f in os.listdir(folder) if f.startswith("weights."))[-1])
)
best.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
loss, acc = best.evaluate_generator(validation_generator, nb_validation_samples / batch_size)
validation_generator.reset()
predicted = best.predict_generator(validation_generator)[:, 0] > 0.5
predicted_acc = np.mean(predicted == validation_generator.classes)
print("best: %.3f, by predict_generator %.3f" % (acc, predicted_acc))  # noqa: UP031
model.save_weights(os.path.join(folder, "first_try.h5"))
temporary.cleanup()
