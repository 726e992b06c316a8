"""Old arguments of functions that load and prepare data."""

from __future__ import annotations

# Functions and classes by module, with the old and the new names of their arguments. Functions that
# still take the old name are not listed.
_IMAGE = {"dim_ordering": "data_format"}
_APPLICATIONS = (
    *("imagenet_utils", "inception_v3", "resnet50", "vgg16", "vgg19", "xception"),
    *("mobilenet", "densenet", "nasnet", "inception_resnet_v2", "mobilenet_v2"),
)
RENAMED_ARGUMENTS: dict[str, dict[str, dict[str, str]]] = {
    "datasets.reuters": {"load_data": {"nb_words": "num_words"}},
    "datasets.imdb": {"load_data": {"nb_words": "num_words"}},
    "preprocessing.text": {"Tokenizer": {"nb_words": "num_words"}},
    "utils": {
        "to_categorical": {"y": "x", "nb_classes": "num_classes"},
        "img_to_array": _IMAGE,
        "array_to_img": _IMAGE,
    },
    "preprocessing.image": {
        "ImageDataGenerator": _IMAGE,
        "NumpyArrayIterator": _IMAGE,
        "DirectoryIterator": _IMAGE,
        "img_to_array": _IMAGE,
        "array_to_img": _IMAGE,
    },
    **{f"applications.{name}": {"preprocess_input": _IMAGE} for name in _APPLICATIONS},
}

# Attributes of the iterators of `ImageDataGenerator` in Keras 1.
ITERATOR_ATTRIBUTES = {
    "Iterator": {"N": "n"},
    "DirectoryIterator": {"nb_sample": "samples", "nb_class": "num_classes"},
}
