"""`pack generator`: batches of a generator to shards."""

from __future__ import annotations

import argparse
import time
from typing import Any

from keras_bigdata.cli.told import tell_packed


def add(commands: Any) -> None:
    generator = commands.add_parser(
        "generator",
        help="run an existing generator once and store its batches",
        description="Stores what a generator yields. MODULE:FUNCTION is called without arguments "
        "and returns a generator, an iterator, a keras.utils.PyDataset or a tf.data.Dataset. "
        "Modules in the current directory are found.",
    )
    generator.add_argument("function", metavar="MODULE:FUNCTION")
    generator.add_argument("-o", "--output", required=True, help="directory for the shards")
    generator.add_argument(
        "--steps", type=int, help="batches of each variant (default: to the generator's end)"
    )
    generator.add_argument(
        "--variants",
        type=int,
        default=1,
        help="augmented copies, one for each epoch in turn (default: 1)",
    )
    generator.add_argument(
        "--shard-samples", type=int, help="rows of a shard (default: about 64 MiB)"
    )
    generator.set_defaults(run=_pack_generator)


def _pack_generator(arguments: argparse.Namespace) -> None:
    from keras_bigdata.packing.capture import capture
    from keras_bigdata.packing.make_shard import told
    from keras_bigdata.packing.named import named_function

    function = named_function(arguments.function)
    start = time.perf_counter()
    try:
        batches = function()
    except Exception as error:
        raise ValueError(f"{arguments.function}() raised {told(error)}") from error
    try:
        index = capture(
            batches,
            arguments.output,
            steps=arguments.steps,
            variants=arguments.variants,
            shard_samples=arguments.shard_samples,
        )
    except TypeError as error:
        raise ValueError(f"{arguments.function}() does not return batches: {error}") from error
    tell_packed(arguments.output, index, time.perf_counter() - start)
