"""`keras-bigdata`: arguments and printing. What it does is done elsewhere."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_bigdata import __version__
from keras_bigdata.errors import BigDataError

if TYPE_CHECKING:
    from keras_bigdata.bench import Rates
    from keras_bigdata.shards.index import ShardIndex


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; gives the exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        status: int | None = parsed.run(parsed)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stdout = None
        return 0
    except (BigDataError, ValueError, OSError) as error:
        print(f"keras-bigdata: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"keras-bigdata: stopped. The same call {parsed.again}.", file=sys.stderr)
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-bigdata", description="Pack data once, train on it many times."
    )
    parser.set_defaults(again="goes on from here")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    pack = commands.add_parser("pack", help="write shards").add_subparsers(
        required=True, metavar="KIND"
    )
    _add_pack_images(pack)
    _add_pack_generator(pack)

    info = commands.add_parser("info", help="say what a directory of shards holds")
    info.add_argument("directory", help="a directory of shards or bare pickles, or one pickle")
    info.set_defaults(run=_info)

    _add_verify(commands)
    _add_repair(commands)
    _add_migrate(commands)
    _add_estimate(commands)
    _add_bench(commands)
    return parser


def _add_bench(commands: Any) -> None:
    bench = commands.add_parser(
        "bench",
        help="measure what the shards can feed, and what would limit a model",
        description="Measures, in turn: a plain loop over the shards; `fit` with a model that "
        "trains nothing; the same with one batch that never changes; `fit` on arrays in memory; "
        "reading the files from the disk. Of large sets a part of 1 GiB is taken. KERAS_BACKEND "
        "chooses the backend. Takes a minute or so.",
    )
    bench.add_argument("directory", help="a directory of shards or of bare pickles")
    bench.add_argument("--batch-size", type=int, default=32, metavar="N", help="default: 32")
    bench.add_argument(
        "--inputs", type=_structure, help="fields of bare pickles, such as texts,images"
    )
    bench.add_argument("--targets", type=_structure, help="the same for the targets")
    bench.add_argument(
        "--rate",
        type=_rate,
        action="append",
        metavar="SAMPLES_PER_SECOND",
        help="of your model, to be told what it would wait for; may be given several times",
    )
    bench.add_argument("--rounds", type=int, default=5, help="default: 5")
    bench.add_argument("--seconds", type=float, default=1.0, help="of one measurement; default: 1")
    bench.set_defaults(run=_bench)


def _rate(value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if not rate > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, received {value!r}")
    return rate


def _structure(value: str) -> str | tuple[str, ...]:
    names = _names(value)
    return names[0] if len(names) == 1 else names


def _bench(arguments: argparse.Namespace) -> None:
    from keras_bigdata.bench import bench

    rates = bench(
        arguments.directory,
        arguments.batch_size,
        inputs=arguments.inputs,
        targets=arguments.targets,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
    )
    _print_rates(rates)
    print(rates.limits())
    for rate in arguments.rate or ():
        print(rates.verdict(rate))


def _print_rates(rates: Rates) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None)
    table.add_column("", no_wrap=True)
    for heading in ("samples/s", "GB/s", "fit is"):
        table.add_column(heading, justify="right", no_wrap=True)
    held = _bytes(rates.memory_samples * rates.row_bytes)
    for name, rate, each in (
        ("a plain loop over the shards", rates.alone, rates.row_bytes),
        ("fit, a model that trains nothing", rates.fit, rates.row_bytes),
        ("  one batch that never changes", rates.ceiling, rates.row_bytes),
        (f"  shuffled arrays in memory ({held})", rates.memory, rates.row_bytes),
        ("the disk, nothing cached", rates.disk, rates.file_bytes),
    ):
        if rate is None:
            table.add_row(name, "unknown", "", "")
        else:
            gigabytes, times = rate * each / 1e9, rates.fit / rate
            table.add_row(name, f"{rate:,.0f}", f"{gigabytes:.2f}", f"{times:.2f}x")
    console.print(table)
    if rates.disk is None:
        print("The disk's rate is unknown: the page cache cannot be emptied of these files.")
    if rates.shards < rates.shards_of:
        print(f"Measured on {rates.shards} of {_number(rates.shards_of, 'shard')}.")


def _add_pack_images(commands: Any) -> None:
    images = commands.add_parser(
        "images",
        help="pack pictures named in a CSV, or sorted into class folders",
        description="Packs pictures with their texts and labels. SOURCE is a CSV file, or a "
        "folder that holds one folder of pictures for each class.",
    )
    images.add_argument("source", metavar="SOURCE")
    images.add_argument("-o", "--output", required=True, help="directory for the shards")
    images.add_argument(
        "--size",
        required=True,
        type=_size,
        metavar="HEIGHTxWIDTH",
        help="pixels, such as 128x128",
    )
    images.add_argument("--grey", action="store_true", help="one channel instead of three")
    images.add_argument("--image", help="column of the file names (CSV)")
    images.add_argument("--label", help="column of the labels (CSV)")
    images.add_argument("--text", help="column of the texts (CSV)")
    images.add_argument("--root", help="folder of the files (default: the folder of the CSV)")
    images.add_argument(
        "--delimiter",
        default=",",
        type=_delimiter,
        help=r"between the columns, such as ';' or '\t' (default: a comma)",
    )
    images.add_argument(
        "--like",
        metavar="DIR",
        help="packed shards whose classes and vocabulary are to be used: give the training set "
        "when you pack its validation set",
    )
    images.add_argument(
        "--split",
        type=float,
        metavar="FRACTION",
        help="put this part into OUTPUT/val and the rest into OUTPUT/train, stratified by label",
    )
    images.add_argument("--shard-samples", type=int, help="rows of a shard (default: about 64 MiB)")
    images.add_argument("--seed", type=int, default=0, help="of the order and of the split")
    images.add_argument("--workers", type=int, help="default: one for each CPU")
    images.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="what to do with a row that cannot be read",
    )
    images.add_argument(
        "--repair",
        action="store_true",
        help="make again the shards in OUTPUT that are missing, damaged or in quarantine, and no "
        "others; all else as when they were packed",
    )
    images.set_defaults(run=_pack_images)


def _add_pack_generator(commands: Any) -> None:
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
    generator.set_defaults(run=_pack_generator, again="starts over")


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
    _tell_packed(arguments.output, index, time.perf_counter() - start)


def _tell_packed(directory: str | Path, index: ShardIndex, seconds: float) -> None:
    variants = f" in each of {index.variants} variants" if index.variants > 1 else ""
    print(
        f"{directory}: {index.num_samples} samples{variants} in {_number(len(index), 'shard')}, "
        f"{_bytes(index.sizes.sum())}, {seconds:.1f} s "
        f"({index.samples.sum() / seconds:.0f} samples/s)"
    )


def _size(value: str) -> tuple[int, int]:
    height, _, width = value.lower().partition("x")
    try:
        return int(height), int(width)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected HEIGHTxWIDTH such as 128x128, received {value!r}"
        ) from None


def _delimiter(value: str) -> str:
    value = value.replace("\\t", "\t")
    if len(value) != 1:
        raise argparse.ArgumentTypeError(f"expected one character, received {value!r}")
    return value


def _pack_images(arguments: argparse.Namespace) -> None:
    from keras_bigdata.packing.pack import pack

    source = _image_source(arguments)
    output = Path(arguments.output)
    parts = {output: source}
    if arguments.split is not None:
        train, held_out = source.split(arguments.split, seed=arguments.seed)
        parts = {output / "train": train, output / "val": held_out}
    if arguments.repair:
        from keras_bigdata.checking.repair import repair

        for directory, part in parts.items():
            _tell_repair(repair(directory, source=part, workers=arguments.workers, apply=True))
        return
    for directory, part in parts.items():
        start = time.perf_counter()
        index = pack(
            part,
            directory,
            shard_samples=arguments.shard_samples,
            seed=arguments.seed,
            workers=arguments.workers,
            on_error=arguments.on_error,
        )
        _tell_packed(directory, index, time.perf_counter() - start)


def _image_source(arguments: argparse.Namespace) -> Any:
    from keras_bigdata.packing.sources.image_folder import ImageFolder
    from keras_bigdata.packing.sources.image_table import ImageTable
    from keras_bigdata.shards.index import ShardIndex

    about: dict[str, Any] = {
        "size": arguments.size,
        "color": "grey" if arguments.grey else "rgb",
    }
    like = None if arguments.like is None else ShardIndex.load(arguments.like)
    if like is not None and like.classes is not None:
        about["classes"] = like
    if Path(arguments.source).is_dir():
        given = [name for name in ("image", "label", "text") if getattr(arguments, name)]
        if given:
            raise ValueError(
                f"{arguments.source} is a folder: its class folders are the labels, and "
                f"--{given[0]} is for a CSV."
            )
        return ImageFolder(arguments.source, **about)
    if arguments.image is None:
        raise ValueError(f"{arguments.source}: say with --image which column has the file names.")
    if like is not None and arguments.text is not None and like.vocabulary is not None:
        about["vocabulary"] = like
    return ImageTable(
        arguments.source,
        image=arguments.image,
        label=arguments.label,
        text=arguments.text,
        root=arguments.root,
        delimiter=arguments.delimiter,
        **about,
    )


def _info(arguments: argparse.Namespace) -> None:
    from keras_bigdata.shards.scan import open_shards

    index = open_shards(arguments.directory)
    scanned = index.made.get("by") == "scan"
    print(f"{arguments.directory}: {'bare pickles without an index' if scanned else 'packed'}")
    variants = f" in each of {index.variants} variants" if index.variants > 1 else ""
    print(f"samples: {index.num_samples}{variants}")
    smallest, largest = int(index.samples.min()), int(index.samples.max())
    rows = f"{smallest}" if smallest == largest else f"{smallest} to {largest}"
    print(f"shards:  {len(index)} of {rows} samples, {_bytes(index.sizes.sum())}")
    print("fields:")
    for field in index.fields.values():
        print(f"  {field}, {_bytes(field.row_bytes)} a row")
    for name, why in index.left_out.items():
        print(f"  {name!r} is no field: {why}")
    for role, value in index.roles.to_json().items():
        if value is not None:
            print(f"{role}: {value}")
    if isinstance(index.classes, dict):
        for name, classes in index.classes.items():
            print(f"classes of {name}: {len(classes)} ({', '.join(map(str, classes[:10]))})")
    elif index.classes is not None:
        print(f"classes: {len(index.classes)}")
        counts: Sequence[Any] = index.class_counts or ["?"] * len(index.classes)
        for number, (label, count) in enumerate(zip(index.classes, counts, strict=True)):
            print(f"  {number}: {label} ({count})")
    if index.vocabulary is not None:
        print(f"vocabulary: {len(index.vocabulary)} words")
    skipped = index.made.get("skipped", [])
    if skipped:
        print(f"left out while packing: {_number(len(skipped), 'row')}")
        for entry in skipped[:10]:
            print(f"  row {entry['row']}: {entry['error']}")


def _add_verify(commands: Any) -> None:
    verify = commands.add_parser(
        "verify",
        help="check shards against their index, byte for byte",
        description="Reads every shard whole and lists what is wrong, with what to do. Nothing is "
        "changed and no pickle is executed.",
        epilog="Exit status: 0 if there is no fault, 1 if there are some or DIR cannot be checked, "
        "2 if the command line is wrong.",
    )
    verify.add_argument("directory", metavar="DIR", help="shards, with or without an index")
    verify.add_argument(
        "--against", metavar="DIR2", help="other shards, that are to have no row in common with DIR"
    )
    verify.add_argument(
        "--fields",
        type=_names,
        metavar="NAME,NAME",
        help="to compare rows by, and that bare pickles need to have (default: inputs, targets and "
        "sample weights)",
    )
    verify.set_defaults(run=_verify, again="starts over")


def _verify(arguments: argparse.Namespace) -> int:
    from keras_bigdata.checking.verify import verify

    report = verify(arguments.directory, arguments.against, fields=arguments.fields)
    for fault in report.faults:
        print(fault)
    for file, row, twin, twin_row in report.duplicates:
        print(f"  {file}, row {row} = {twin}, row {twin_row}")
    for note in report.notes:
        print(f"note: {note}")
    rate = f", {_bytes(report.nbytes / report.seconds)}/s" if report.seconds > 1 else ""
    faults = _number(len(report.faults), "fault") if report.faults else "no faults"
    print(
        f"{report.directory}: {faults}; {_number(report.shards, 'shard')}, {report.rows} sound "
        f"rows, {_bytes(report.nbytes)} in {report.seconds:.1f} s{rate}"
    )
    return 0 if report.ok else 1


def _add_repair(commands: Any) -> None:
    repair = commands.add_parser(
        "repair",
        help="mend shards as far as that is possible",
        description="Makes a lost index anew from the shards, makes damaged shards again from "
        "their source, or moves them to DIR/quarantine and goes on without them. Nothing is "
        "deleted; and without --yes nothing is changed: the plan is printed.",
        epilog="Exit status: 0 if all is well or was mended; 1 if something is to be done and "
        "--yes was not given, or it cannot be done; 2 if the command line is wrong.",
    )
    repair.add_argument("directory", metavar="DIR")
    repair.add_argument("--yes", action="store_true", help="do it")
    repair.add_argument(
        "--from",
        dest="source",
        metavar="MODULE:FUNCTION",
        help="called without arguments, returns the source that was packed (or that and the "
        "`augment` function); for pictures see also: pack images --repair",
    )
    repair.add_argument("--workers", type=int, help="with --from (default: one for each CPU)")
    repair.add_argument(
        "--like",
        metavar="DIR2",
        help="for a lost index: packed shards with the same roles, classes and vocabulary",
    )
    for role in ("inputs", "targets", "sample-weights"):
        repair.add_argument(
            f"--{role}", type=_names, metavar="NAME,NAME", help="for a lost index: names of fields"
        )
    repair.set_defaults(run=_repair, again="goes on from here")


def _repair(arguments: argparse.Namespace) -> int:
    from keras_bigdata.checking.repair import repair
    from keras_bigdata.packing.named import named_function

    source = augment = None
    if arguments.source is not None:
        source = named_function(arguments.source)()
        if isinstance(source, tuple):
            source, augment = source
    roles = {
        name: value[0] if value is not None and len(value) == 1 else value
        for name in ("inputs", "targets", "sample_weights")
        for value in [getattr(arguments, name)]
    }
    found = repair(
        arguments.directory,
        source=source,
        augment=augment,
        workers=arguments.workers,
        like=arguments.like,
        apply=arguments.yes,
        **roles,
    )
    _tell_repair(found)
    return 0 if found.done or not found.steps else 1


def _tell_repair(found: Any) -> None:
    for step in found.steps:
        print(step)
    for note in found.notes:
        print(f"note: {note}")
    if found.gone:
        known = [rows for rows in found.gone.values() if rows is not None]
        print(
            f"gone: all rows of {_number(len(found.gone), 'shard')}: "
            + (f"{sum(known)}" if len(known) == len(found.gone) else "nobody knows how many")
        )
    if not found.steps:
        print(f"{found.directory}: nothing to repair.")
    elif found.done:
        print(f"{found.directory}: done.")
    else:
        print(f"{found.directory}: nothing was changed. Add --yes to do this.")


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(","))


def _add_migrate(commands: Any) -> None:
    migrate = commands.add_parser(
        "migrate",
        help="move legacy Keras scripts to today's Keras and this package",
        description="Prints, as a unified diff, what has to be changed in scripts for Keras 1 and "
        "2 and is surely understood. What a person has to decide is listed on stderr as "
        "FILE:LINE: MESSAGE. Comments and formatting are kept; a second run changes nothing more.",
        epilog="Exit status: 0 if all files were done, whether or not something was changed or "
        "listed; 1 if one could not be read, is not Python 3 or could not be written (the others "
        "are done all the same); 2 if the command line is wrong.",
    )
    migrate.add_argument("files", nargs="+", metavar="FILE", help="a Python script")
    migrate.add_argument("--write", action="store_true", help="change the files; print no diff")
    migrate.set_defaults(run=_migrate)


def _migrate(arguments: argparse.Namespace) -> int:
    try:
        import libcst  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "migrate reads scripts with libcst, which is not installed. Install it with: pip "
            "install 'keras_bigdata[migrate]'"
        ) from error
    from keras_bigdata.migrate.files import migrate_files

    return 0 if migrate_files(arguments.files, write=arguments.write) else 1


def _add_estimate(commands: Any) -> None:
    estimate = commands.add_parser(
        "estimate",
        help="say how long training takes, with packed data and without",
        description="Compares training on the packed data with preparing them anew in every "
        "epoch, which is taken to cost what packing has cost. How fast the packed data are read "
        "is measured for a few seconds.",
    )
    estimate.add_argument("directory", metavar="DIR", help="a directory of packed shards")
    estimate.add_argument("--epochs", type=int, required=True)
    estimate.add_argument(
        "--pack-seconds",
        type=float,
        required=True,
        help="how long packing took, as `pack` has printed (with as many workers as would "
        "prepare the data on the fly)",
    )
    estimate.add_argument(
        "--train-samples-per-second",
        type=float,
        metavar="RATE",
        help="of the model, on data in memory (default: training costs nothing)",
    )
    estimate.add_argument(
        "--samples-per-second",
        type=float,
        metavar="RATE",
        help="that the packed data are read with (default: measured)",
    )
    estimate.add_argument("--batch-size", type=int, default=32, help="to measure with (default 32)")
    estimate.set_defaults(run=_estimate)


def _estimate(arguments: argparse.Namespace) -> None:
    from keras_bigdata.cost import EpochCost, feed_rate
    from keras_bigdata.shards.index import ShardIndex

    index = ShardIndex.load(arguments.directory)
    rate, train_rate = arguments.samples_per_second, arguments.train_samples_per_second
    for name, value in (("samples", rate), ("train-samples", train_rate)):
        if value is not None and not value > 0:
            raise ValueError(f"--{name}-per-second must be above 0, received {value}")
    how = "as given"
    if rate is None:
        from keras_bigdata.loading.sequence import ShardSequence

        rate, how = feed_rate(ShardSequence(index, arguments.batch_size, shuffle=None)), "measured"
    cost = EpochCost(
        train=0.0 if train_rate is None else index.num_samples / train_rate,
        read=0.0,
        decode=arguments.pack_seconds / index.variants,
        feed=index.num_samples / rate,
    )
    print(f"{index.num_samples} samples; packed data are read at {rate:.0f} samples/s ({how})")
    if train_rate is None:
        print("training itself is left out: give --train-samples-per-second")
    for overlap, when in ((False, "one after the other"), (True, "data while the model trains")):
        fly = cost.on_the_fly(arguments.epochs, overlap=overlap)
        packed = cost.packed(arguments.epochs, variants=index.variants, overlap=overlap)
        even = cost.break_even(variants=index.variants, overlap=overlap)
        pays = "never pays" if even is None else f"pays from epoch {even}"
        print(
            f"{arguments.epochs} epochs, {when}: {_time(fly)} on the fly, {_time(packed)} packed "
            f"once; packing {pays}"
        )


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


if __name__ == "__main__":
    sys.exit(main())
