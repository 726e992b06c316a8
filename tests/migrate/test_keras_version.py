"""What shows whether positional arguments are those of Keras 1 or of Keras 2."""

from __future__ import annotations

import pytest

from tests.migrate.migrated import migrate, migrated, notes


@pytest.mark.quick_cases(6)
@pytest.mark.parametrize(
    ("code", "version"),
    [
        ("m.fit(x, y, epochs=3)", "2"),
        ("m.fit(x, y, nb_epoch=3)", "1"),
        ("m.fit(x, y, nb_epoch=3); m.fit(x, y, epochs=3)", "2"),
        ("m.fit(x, y, epochs=3); Dense(3, W_constraint=c)", "1"),
        ("Conv2D(8, 3, 3, border_mode='same')", "1"),  # Keras 1.2 had Conv2D too
        ("Conv2D(8, (3, 3))", "2"),
        ("Convolution2D(8, 3, 3)", "1"),
        ("Convolution2D(8, (3, 3))", "2"),  # and Keras 2 had Convolution2D
        ("Dense(3, init='uniform')", "1"),
        ("Dense(3, kernel_initializer='uniform'); Dense(3, W_regularizer=r)", "2"),
        ("MaxPooling2D(strides=2); ZeroPadding2D(padding=1)", ""),
        ("Conv2D(8, 3, strides=2)", "2"),
        ("Embedding(3, output_dim=2)", ""),
        ("cluster = KMeans(init='k-means++')", ""),
        ("scipy.x(p=1)", ""),
        ("pass", ""),
    ],
)
def test_signs_in_the_rest_of_the_file(code, version):
    text = (
        "from keras.layers import *\nfrom sklearn.cluster import KMeans\n"
        f"{code}\nm.predict_generator(gen, n // size)\n"
    )
    new = {
        "1": "legacy.predict_generator(m, gen, val_samples=n // size)",
        "2": "legacy.predict_generator(m, gen, n // size)",
        "": "m.predict_generator(gen, n // size)",
    }[version]
    assert migrate(text).endswith(f"\n{new}\n")
    again = migrated(migrate(text).encode())
    assert again.content.decode() == migrate(text)
    if not version:
        assert "val_samples=n // size for Keras 1, or steps=n // size" in notes(text)[4]
