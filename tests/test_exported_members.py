from __future__ import annotations

import subprocess
import sys

import keras_bigdata

NAMES = [
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


def test_public_names_are_these_and_exist():
    assert keras_bigdata.__all__ == NAMES
    for name in NAMES:
        member = getattr(keras_bigdata, name)
        assert member.__name__ == name
        assert member.__doc__


def test_packing_imports_neither_keras_nor_a_backend():
    code = (
        "import sys, keras_bigdata, keras_bigdata.cli\n"
        "from keras_bigdata import capture, pack, ImageTable, ImageFolder, Arrays, HDF5Table\n"
        "from keras_bigdata import ShardWriter, ShardIndex, verify, repair\n"
        "from keras_bigdata import Fault, Field, Repair, Report, ShardInfo\n"
        "from keras_bigdata import EpochCost, FrameFolder, TextTable\n"
        "from keras_bigdata import encode_texts, pad_rows\n"
        "import keras_bigdata.loading.prefetching.worker_processes\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
