"""Training Keras models on data that does not fit in memory, from plain `model.fit`.

The public names are loaded when they are first used: packing imports neither Keras nor a backend.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_bigdata.bench.cost import EpochCost
    from keras_bigdata.callbacks.best_weights_early_stopping import BestWeightsEarlyStopping
    from keras_bigdata.callbacks.input_report import InputReport
    from keras_bigdata.callbacks.resume_training import ResumeTraining
    from keras_bigdata.callbacks.score_log import ScoreLog
    from keras_bigdata.callbacks.weighted_validation import WeightedValidation
    from keras_bigdata.errors import (
        BigDataError,
        CorruptShardError,
        PackError,
        ShardError,
        StorageError,
        UnsafePickleError,
        WorkerError,
    )
    from keras_bigdata.images.crops import CenterCrop, RandomResizedCrop, Resize
    from keras_bigdata.integrity.repair import repair
    from keras_bigdata.integrity.report import Fault, Repair, Report
    from keras_bigdata.integrity.verify import verify
    from keras_bigdata.loading.epochs.epoch import Epoch
    from keras_bigdata.loading.mixture import Mixture
    from keras_bigdata.loading.predict_rows import PredictedRows, predict_rows
    from keras_bigdata.loading.sequence import ShardSequence
    from keras_bigdata.packing.augment import Augment
    from keras_bigdata.packing.capture import capture
    from keras_bigdata.packing.pack import pack
    from keras_bigdata.packing.sources.arrays import Arrays
    from keras_bigdata.packing.sources.frame_folder import FrameFolder
    from keras_bigdata.packing.sources.hdf5 import HDF5Table
    from keras_bigdata.packing.sources.image_folder import ImageFolder
    from keras_bigdata.packing.sources.image_table import ImageTable
    from keras_bigdata.packing.sources.images.encode_images import encode_images
    from keras_bigdata.packing.sources.text_table import TextTable
    from keras_bigdata.packing.sources.texts.padding import pad_rows
    from keras_bigdata.packing.sources.texts.tokens import encode_texts
    from keras_bigdata.shards.fields.entries import Field, ShardInfo
    from keras_bigdata.shards.fields.ragged import Ragged
    from keras_bigdata.shards.index.shard_index import ShardIndex
    from keras_bigdata.shards.shards import Shards
    from keras_bigdata.shards.writing.writer import ShardWriter

__version__ = "0.1.0"

__all__ = [
    "Arrays",
    "Augment",
    "BestWeightsEarlyStopping",
    "BigDataError",
    "CenterCrop",
    "CorruptShardError",
    "Epoch",
    "EpochCost",
    "Fault",
    "Field",
    "FrameFolder",
    "HDF5Table",
    "ImageFolder",
    "ImageTable",
    "InputReport",
    "Mixture",
    "PackError",
    "PredictedRows",
    "Ragged",
    "RandomResizedCrop",
    "Repair",
    "Report",
    "Resize",
    "ResumeTraining",
    "ScoreLog",
    "ShardError",
    "ShardIndex",
    "ShardInfo",
    "ShardSequence",
    "ShardWriter",
    "Shards",
    "StorageError",
    "TextTable",
    "UnsafePickleError",
    "WeightedValidation",
    "WorkerError",
    "capture",
    "encode_images",
    "encode_texts",
    "pack",
    "pad_rows",
    "predict_rows",
    "repair",
    "verify",
]

_MODULES = {
    "Arrays": "packing.sources.arrays",
    "Augment": "packing.augment",
    "BestWeightsEarlyStopping": "callbacks.best_weights_early_stopping",
    "CenterCrop": "images.crops",
    "Epoch": "loading.epochs.epoch",
    "EpochCost": "bench.cost",
    "Fault": "integrity.report",
    "Field": "shards.fields.entries",
    "FrameFolder": "packing.sources.frame_folder",
    "HDF5Table": "packing.sources.hdf5",
    "ImageFolder": "packing.sources.image_folder",
    "ImageTable": "packing.sources.image_table",
    "InputReport": "callbacks.input_report",
    "Mixture": "loading.mixture",
    "PredictedRows": "loading.predict_rows",
    "Ragged": "shards.fields.ragged",
    "RandomResizedCrop": "images.crops",
    "Repair": "integrity.report",
    "Report": "integrity.report",
    "Resize": "images.crops",
    "ResumeTraining": "callbacks.resume_training",
    "ScoreLog": "callbacks.score_log",
    "ShardIndex": "shards.index.shard_index",
    "ShardInfo": "shards.fields.entries",
    "ShardSequence": "loading.sequence",
    "ShardWriter": "shards.writing.writer",
    "Shards": "shards.shards",
    "TextTable": "packing.sources.text_table",
    "WeightedValidation": "callbacks.weighted_validation",
    "capture": "packing.capture",
    "encode_images": "packing.sources.images.encode_images",
    "encode_texts": "packing.sources.texts.tokens",
    "pack": "packing.pack",
    "pad_rows": "packing.sources.texts.padding",
    "predict_rows": "loading.predict_rows",
    "repair": "integrity.repair",
    "verify": "integrity.verify",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'errors')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
