"""Commands on directories behind URLs: options of the driver, and what is never printed."""

import argparse
import re

import numpy as np
import pytest

from keras_bigdata import Arrays, ShardIndex, verify
from keras_bigdata.cli import main
from keras_bigdata.cli.url_options import parse_bytes, parse_storage_option
from tests.helpers.remote_sets import Requests, damage_url, packed_url, remove
from tests.integrity.small_sets import Numbers

fsspec = pytest.importorskip("fsspec")

SECRET = "AKIA-very-secret"


@pytest.fixture
def url(tmp_path):
    url = packed_url(tmp_path, Numbers(56), shard_samples=7, workers=1)
    yield url
    remove(url)


@pytest.fixture
def opened_with(monkeypatch):
    """Returns the options with which the driver is opened."""
    found = []
    driver = type(fsspec.filesystem("memory"))
    original = driver.__init__

    def init(self, *arguments, **options):
        found.append(options)
        original(self, *arguments, **options)

    monkeypatch.setattr(driver, "__init__", init)
    return found


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("anon=true", ("anon", True)),
        ("retries=3", ("retries", 3)),
        ('client_kwargs={"region_name": "x"}', ("client_kwargs", {"region_name": "x"})),
        ("key=a=b", ("key", "a=b")),
        ("endpoint_url=http://localhost:9000", ("endpoint_url", "http://localhost:9000")),
        ('key="123"', ("key", "123")),
        ("key=123456789", ("key", "123456789")),
        ("secret=12e4", ("secret", "12e4")),
        ("token=false", ("token", False)),
        ("token=", ("token", "")),
    ],
)
def test_an_option_is_read_as_json_if_it_can_be(text, option):
    assert parse_storage_option(text) == option


def test_sizes():
    assert parse_bytes("20GB") == 20 * 10**9
    assert parse_bytes("1.5 MiB") == 3 * 2**19
    assert parse_bytes("77") == 77
    for wrong in ("0", "x", "20G", "-3GB", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="20GB"):
            parse_bytes(wrong)


def test_info_of_a_url_reads_no_shard(url, tmp_path, capsys, monkeypatch):
    requests = Requests(monkeypatch)
    assert main(["info", url]) == 0
    remote = capsys.readouterr().out
    assert [name for _, name, _ in requests.sent] == ["index.json"]
    assert main(["info", str(tmp_path / "set")]) == 0
    assert remote == capsys.readouterr().out.replace(str(tmp_path / "set"), url)


def test_the_options_reach_the_driver_and_are_not_printed(url, opened_with, capsys):
    option = [f"--storage-option=key={SECRET}", "--storage-option", "skip_instance_cache=true"]
    damage_url(url)
    assert main(["info", url, *option]) == 0
    assert main(["verify", url, *option]) == 1
    assert main(["repair", url, *option]) == 1
    assert main(["info", f"{url}-{'x' * 9}", *option]) == 1
    assert {options.get("key") for options in opened_with} == {SECRET}
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    assert f"{url}/shard-00004.pkl: checksum" in printed.out


def test_a_malformed_option_is_not_repeated(url, capsys):
    for wrong in (SECRET, f"--{SECRET}=1", f"a b={SECRET}"):
        with pytest.raises(SystemExit):
            main(["info", url, f"--storage-option={wrong}"])
        printed = capsys.readouterr().err
        assert "expected NAME=VALUE" in printed
        assert SECRET not in printed
    twice = [f"--storage-option=key={SECRET}"] * 2
    assert main(["info", url, *twice]) == 1
    printed = capsys.readouterr().err
    assert "twice" in printed
    assert SECRET not in printed


@pytest.mark.parametrize("command", ["info", "verify", "repair", "bench"])
def test_options_of_urls_are_refused_for_a_directory(command, tmp_path, capsys, url):
    directory = str(tmp_path / "set")
    assert main([command, directory, "--storage-option", f"key={SECRET}"]) == 1
    printed = capsys.readouterr().err
    assert "--storage-option is for URLs" in printed
    assert SECRET not in printed
    if command == "bench":
        assert main([command, directory, "--cache", str(tmp_path / "cache")]) == 1
        assert "--cache is for URLs" in capsys.readouterr().err
        assert main([command, url, "--cache-bytes", "1GB"]) == 1
        assert "there is none" in capsys.readouterr().err


def test_repair_of_a_url(url, capsys):
    damage_url(url)
    assert main(["repair", url, "--yes"]) == 0
    assert verify(url, verbose=0).ok
    assert "repaired" in capsys.readouterr().out


def test_estimate_of_a_url(url, capsys):
    command = ["estimate", url, "--epochs", "3", "--pack-seconds", "1", "--batch-size", "8"]
    assert main(command) == 0
    assert "measured while they come from the store" in capsys.readouterr().out
    assert main(["estimate", url, "--size", "4x4"]) == 1
    assert "must be a path on this machine" in capsys.readouterr().err


def test_the_classes_of_a_url_are_used_for_packing(tmp_path, capsys):
    (tmp_path / "texts.csv").write_text("t,l\na,x\nb,y\n")
    like = packed_url(
        tmp_path, Arrays(x=np.zeros((2, 1)), labels=np.arange(2), classes=["y", "x"]), "like"
    )
    try:
        from keras_bigdata import TextTable, pack

        table = TextTable(
            tmp_path / "texts.csv", text="t", label="l", classes=ShardIndex.load(like)
        )
        assert pack(table, tmp_path / "texts", verbose=0).classes == ["y", "x"]
        folder = tmp_path / "photos"
        from tests.helpers.image_files import write_image

        for name in "xy":
            write_image(folder / name / "0.png", 1)
        output = ["-o", str(tmp_path / "out"), "--size", "4x4", "--workers", "1"]
        assert main(["pack", "images", str(folder), *output, "--like", like]) == 0
        assert ShardIndex.load(tmp_path / "out").classes == ["y", "x"]
    finally:
        remove(like)


def test_the_output_may_be_a_url(tmp_path, monkeypatch, capsys):
    from tests.helpers.image_files import write_image

    for name in "xy":
        for number in range(4):
            write_image(tmp_path / "photos" / name / f"{number}.png", number)
    calls = []

    def pack(source, directory, **options):
        calls.append((directory, options.get("storage_options")))
        raise ValueError("stop")

    monkeypatch.setattr("keras_bigdata.packing.pack.pack", pack)
    command = ["pack", "images", str(tmp_path / "photos"), "--size", "4x4", "--split", "0.5"]
    assert main([*command, "-o", "memory://b/set/", "--storage-option=anon=true"]) == 1
    assert main([*command, "-o", "memory://b/set"]) == 1
    assert main([*command, "-o", str(tmp_path / "out")]) == 1
    assert calls == [
        ("memory://b/set/train", {"anon": True}),
        ("memory://b/set/train", None),
        (str(tmp_path / "out" / "train"), None),
    ]
    assert main([*command, "-o", str(tmp_path / "out"), "--storage-option=anon=true"]) == 1
    assert "--storage-option is for URLs" in capsys.readouterr().err


def test_every_command_on_a_directory_has_the_option(capsys):
    for command in (
        *(["info"], ["verify"], ["repair"], ["bench"], ["estimate"]),
        *(["pack", kind] for kind in ("images", "texts", "hdf5", "generator")),
    ):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        assert re.search("--storage-option", capsys.readouterr().out), command
