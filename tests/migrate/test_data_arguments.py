"""Old arguments of functions that load and prepare data."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


def test_renamed_arguments():
    new = migrate("""
        from keras.datasets import imdb, reuters
        from keras.preprocessing.text import Tokenizer
        from keras.preprocessing.image import ImageDataGenerator, img_to_array
        from keras.utils.np_utils import to_categorical
        data = imdb.load_data(nb_words=100), reuters.load_data(nb_words=200, test_split=0.2)
        tokenizer = Tokenizer(nb_words=300)
        y = to_categorical(y=labels, nb_classes=10)
        datagen = ImageDataGenerator(dim_ordering='th')
        x = img_to_array(image, dim_ordering="tf")
        z = img_to_array(image, dim_ordering='default')
    """)
    assert "imdb.load_data(num_words=100), reuters.load_data(num_words=200, test_split=0.2)" in new
    assert "Tokenizer(num_words=300)" in new
    assert "to_categorical(x=labels, num_classes=10)" in new
    assert "ImageDataGenerator(data_format='channels_first')" in new
    assert 'img_to_array(image, data_format="channels_last")' in new
    assert "img_to_array(image, data_format=None)" in new
    assert migrate(new) == new


def test_a_dim_ordering_that_is_not_a_literal_is_noted():
    code = """
        from keras.preprocessing.image import img_to_array
        x = img_to_array(image, dim_ordering=order)
    """
    assert "dim_ordering=order" in migrate(code)
    assert "'channels_first' for 'th'" in notes(code)[3]


def test_attributes_of_image_iterators():
    new = migrate("""
        from keras.preprocessing.image import ImageDataGenerator
        datagen = ImageDataGenerator()
        train = datagen.flow_from_directory("train")
        steps = train.nb_sample // 32
        classes = train.nb_class
        other = something.nb_sample
        rows = datagen.flow(x, y)
        print(rows.N)
    """)
    assert "steps = train.samples // 32\n" in new
    assert "classes = train.num_classes\n" in new
    assert "other = something.nb_sample\n" in new
    assert "print(rows.n)\n" in new


def test_grayscale_of_load_img_becomes_color_mode():
    new = migrate("""\
        from keras.preprocessing.image import load_img
        load_img(path, grayscale=True, target_size=(2, 3))
        load_img(path, True)
        load_img(path, grayscale=flag)
        load_img(path, grayscale=False)
    """)
    assert "load_img(path, color_mode='grayscale', target_size=(2, 3))" in new
    assert "load_img(path, 'grayscale')" in new
    assert "load_img(path, color_mode='grayscale' if flag else 'rgb')" in new
    assert "load_img(path)\n" in new
    assert migrate(new) == new
