"""Scripts as they were written for Keras 1 and 2, which the tests of `migrate` read."""

from __future__ import annotations

# Keras 1: samples instead of batches, and positional kernel sides.
DRIVING = '''\
#!/usr/bin/env python
"""Steering angles from camera images."""
from __future__ import print_function
import csv
import numpy as np
from keras.models import Sequential
from keras.layers.core import Dense, Flatten, Lambda, Dropout
from keras.layers.convolutional import Convolution2D, Cropping2D
from keras.optimizers import Adam
from keras.callbacks import ModelCheckpoint

def batches(rows, batch_size=32):
    while 1:  # never ends
        for start in range(0, len(rows), batch_size):
            yield load(rows[start:start + batch_size])

model = Sequential()
model.add(Lambda(lambda x: x / 127.5 - 1., input_shape=(160, 320, 3)))
model.add(Convolution2D(24, 5, 5, subsample=(2, 2), activation='elu'))
model.add(Flatten())
model.add(Dense(1))
model.compile(loss='mse', optimizer=Adam(lr=1e-4))

checkpoint = ModelCheckpoint('model-{epoch:03d}.h5',
                             monitor='val_loss',
                             save_best_only=True,  # smaller disk
                             mode='auto')
history = model.fit_generator(batches(train_rows),
                              samples_per_epoch=len(train_rows),
                              nb_epoch=5,
                              max_q_size=1,
                              validation_data=batches(val_rows),
                              nb_val_samples=len(val_rows),
                              callbacks=[checkpoint],
                              verbose=1)
model.save('last.h5')
'''

# Keras 2 with directories of images.
CATS_AND_DOGS = """\
from keras.preprocessing.image import ImageDataGenerator, img_to_array, load_img
from keras.models import Sequential
from keras.layers import Conv2D, MaxPooling2D
from keras.layers import Activation, Dropout, Flatten, Dense
from keras import backend as K

img_width, img_height = 150, 150
nb_train_samples = 2000
nb_validation_samples = 800
epochs = 50
batch_size = 16

if K.image_data_format() == 'channels_first':
    input_shape = (3, img_width, img_height)
else:
    input_shape = (img_width, img_height, 3)

model = Sequential()
model.add(Conv2D(32, (3, 3), input_shape=input_shape))
model.add(Dense(1))
model.compile(loss='binary_crossentropy', optimizer='rmsprop', metrics=['accuracy'])

train_datagen = ImageDataGenerator(rescale=1. / 255, shear_range=0.2, horizontal_flip=True)
train_generator = train_datagen.flow_from_directory('data/train', class_mode='binary')
validation_generator = train_datagen.flow_from_directory('data/val', class_mode='binary')

model.fit_generator(
    train_generator,
    steps_per_epoch=nb_train_samples // batch_size,
    epochs=epochs,
    validation_data=validation_generator,
    validation_steps=nb_validation_samples // batch_size)

model.save_weights('first_try.h5')
"""

# The iterators have a length, and no argument is passed that only a generator needs.
KNOWN_LENGTHS = """\
from tensorflow.keras.preprocessing.image import ImageDataGenerator

def train(model, frame):
    datagen = ImageDataGenerator(rescale=1./255)
    train_it = datagen.flow_from_directory('train')
    val_it = ImageDataGenerator().flow_from_dataframe(frame, class_mode="raw")
    hist = model.fit_generator(train_it, steps_per_epoch=len(train_it),
                               epochs=3,
                               validation_data=val_it,  # held out
                               validation_steps=len(val_it))
    print(model.evaluate_generator(val_it), model.predict_generator(generator=val_it))
    return hist
"""

# A thread lock around a generator, pickle_safe, class weights, all arguments by keyword.
LOCKED = '''\
import threading
from keras.models import Model
from keras.layers import Input, Dense, merge
from keras.utils import np_utils
from keras.utils.np_utils import to_categorical


class threadsafe_iter:
    """One thread at a time."""
    def __init__(self, it):
        self.it = it
        self.lock = threading.Lock()

    def __iter__(self):
        return self

    def next(self):
        with self.lock:
            return self.it.next()


class Trainer(object):
    def run(self):
        a = Input(shape=(3,))
        self.model = Model(input=a, output=Dense(output_dim=10, init="uniform")(a))
        self.model.compile("adadelta", "categorical_crossentropy", ["accuracy"])
        self.model.fit_generator(
            generator = threadsafe_iter(self.batches()),
            samples_per_epoch = 1000,
            nb_epoch = 3,  # TODO more
            class_weight = {0: 1., 1: 5.},
            nb_worker=4, pickle_safe=False
        )
        y = np_utils.to_categorical([1, 2], 10)
        return to_categorical(y)
'''

# CIFAR-10 as in the examples of Keras.
CIFAR = """\
from __future__ import print_function
import keras
from keras.datasets import cifar10
from keras.preprocessing.image import ImageDataGenerator
from keras.models import Sequential
import os

save_dir = os.path.join(os.getcwd(), 'saved_models')
(x_train, y_train), (x_test, y_test) = cifar10.load_data()
y_train = keras.utils.to_categorical(y_train, 10)

# initiate RMSprop optimizer
opt = keras.optimizers.rmsprop(lr=0.0001, decay=1e-6)
model = Sequential()
model.compile(loss='categorical_crossentropy', optimizer=opt, metrics=['accuracy'])

datagen = ImageDataGenerator(zca_whitening=False, rotation_range=0)
datagen.fit(x_train)
model.fit_generator(datagen.flow(x_train, y_train, batch_size=32),
                    steps_per_epoch=len(x_train) / 32, epochs=10,
                    validation_data=(x_test, y_test),
                    workers=4)
scores = model.evaluate(x_test, y_test, verbose=1)
print('Test accuracy:', scores[1])
"""

# Segmentation: zipped generators, weights checkpoints, plots.
SEGMENTATION = """\
import matplotlib.pyplot as plt
from keras.callbacks import ModelCheckpoint, EarlyStopping, ReduceLROnPlateau, TensorBoard
from keras.optimizers import *
from keras.preprocessing.image import ImageDataGenerator

def combined():
    image_generator = ImageDataGenerator().flow_from_directory('d', classes=['image'], seed=1)
    mask_generator = ImageDataGenerator().flow_from_directory('d', classes=['mask'], seed=1)
    train_generator = zip(image_generator, mask_generator)
    for (img, mask) in train_generator:
        yield (img, mask)

model = unet()
model.compile(optimizer=Adam(lr=1e-4), loss="binary_crossentropy", metrics=["accuracy", dice])
filepath = 'unet_membrane.hdf5'
callbacks = [
    ModelCheckpoint(filepath, monitor='val_acc', save_weights_only=True, period=1),
    EarlyStopping('val_acc', patience=10),
    ReduceLROnPlateau(factor=0.1, epsilon=1e-4),   # plateau
    TensorBoard(log_dir='logs', batch_size=32, write_grads=False, write_graph=True)]
history = model.fit_generator(combined(), steps_per_epoch=300, epochs=1, callbacks=callbacks)
model.load_weights(filepath)
acc = history.history['acc']
val_acc = history.history["val_acc"]
plt.plot(acc, label='acc')
results = model.predict_generator(test_gen(), 30, verbose=1)
"""

# TensorFlow 2: `fit` with the arguments that Keras 3 has removed.
TF2 = """\
import math
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class Batches(keras.utils.Sequence):
    def __len__(self):
        return math.ceil(len(self.x) / 32)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


def main():
    strategy = tf.distribute.MirroredStrategy()
    with strategy.scope():
        model = keras.Sequential([layers.Conv2D(8, 3), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(lr=0.1, momentum=0.9), "mse", metrics=["mae"])
    h = model.fit(Batches(), epochs=3, workers=4, use_multiprocessing=True)
    print(h.history["mean_absolute_error"], h.history["val_mae"])
    print(model.optimizer.lr, model.predict(x=Batches(), workers=2))
    model.fit(gen(), steps_per_epoch=n / 32)
    model.fit(x, y, epochs=3, workers=4)


if __name__ == "__main__":
    main()
"""

# All arguments by position.
POSITIONAL = """\
from keras.models import load_model
from keras.layers import Conv2D
m = load_model("m.h5")
m.compile("sgd", "mse")
m.fit_generator(gen, 100, 10, 1, [], val_gen, 20)
m.evaluate_generator(val_gen, 20)
"""

# The same, where nothing shows whether samples or batches are counted.
AMBIGUOUS = """\
from keras.models import load_model
m = load_model("m.h5")
m.fit_generator(gen, 2000)
m.evaluate_generator(gen, 2000)
m.predict_generator(*args)
m.fit_generator(gen, 1, 2, 3, 4, 5, 6, 7)
"""

# A function that receives a model, without an import of Keras; tabs; Windows line ends.
HELPER = (
    '''\
import os

def run(net, gen, n):
	"""Trains."""
	best = os.path.join("out", "best.h5")
	if n:
		net.fit_generator(gen, steps_per_epoch = n,
				epochs = 2)
	net.save_weights(best)
	return net
'''
).replace("\n", "\r\n")

# A custom model class with the old method names.
OWN_METHODS = """\
from keras.models import Model

class Siamese(Model):
    def fit_generator(self, generator, **options):
        return super(Siamese, self).fit_generator(generator, **options)

Siamese().fit_generator(gen, steps_per_epoch=10)
train = other.predict_generator
"""

# Names in full, in a latin-1 file.
FULL_NAMES = (
    """\
# -*- coding: latin-1 -*-
import keras, sys
import keras.backend as K
from keras.preprocessing import image, sequence
from keras import objectives
from keras.constraints import maxnorm
K.set_image_dim_ordering('tf')
gen = image.ImageDataGenerator(rescale=1./255)  # Größe
img = image.load_img('é.png')
text = sequence.pad_sequences([[1]])
net = keras.layers.core.Dense(3, W_constraint=maxnorm(3))
loss = objectives.binary_crossentropy
y = keras.utils.np_utils.to_categorical(loss)
other = keras.preprocessing.image.ImageDataGenerator()
print(K.sum(y), net.predict_classes(img))
"""
).encode("latin-1")

# Image captions: text tools, and recurrent layers with Keras 1 names.
CAPTIONS = """\
from keras.preprocessing.text import Tokenizer
from keras.preprocessing import sequence, image
from keras.layers.recurrent import LSTM, GRU
from keras.layers.wrappers import TimeDistributed, Bidirectional
from keras.layers.embeddings import Embedding
from keras.layers.normalization import BatchNormalization
from keras.layers.advanced_activations import LeakyReLU, PReLU
from keras.utils.visualize_util import plot
from keras.engine.topology import Layer, Merge
import keras.callbacks as cb

monitor = 'val_acc'
class Log(cb.Callback):
    def on_epoch_end(self, epoch, logs={}):
        print(logs.get('acc'), logs['val_acc'])

caption.add(LSTM(output_dim=256, inner_activation='sigmoid', return_sequences=True))
model.compile(optimizer='rmsprop', loss='categorical_crossentropy', metrics=['acc'])
stop = cb.EarlyStopping(monitor=monitor, patience=2)
save = cb.ModelCheckpoint("w.{epoch:02d}-{val_accuracy:.2f}.hdf5", save_weights_only=flag, period=5)
h = model.fit_generator(data(), steps_per_epoch=n, nb_epoch=3)
print(h.history['accuracy'])
"""

SCRIPTS: dict[str, bytes] = {
    "driving": DRIVING.encode(),
    "cats_and_dogs": CATS_AND_DOGS.encode(),
    "known_lengths": KNOWN_LENGTHS.encode(),
    "locked": LOCKED.encode(),
    "cifar": CIFAR.encode(),
    "segmentation": SEGMENTATION.encode(),
    "tf2": TF2.encode(),
    "positional": POSITIONAL.encode(),
    "ambiguous": AMBIGUOUS.encode(),
    "helper": HELPER.encode(),
    "own_methods": OWN_METHODS.encode(),
    "full_names": FULL_NAMES,
    "captions": CAPTIONS.encode(),
}
