"""Rows of any length and encoded images: appended, resumed, and packed by several workers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keras_bigdata import PackError, ShardIndex, pack, verify
from tests.helpers.image_sets import EncodedImages
from tests.helpers.packs import read_files
from tests.helpers.paths import ROOT
from tests.helpers.ragged_sets import RaggedNumbers
from tests.helpers.waiting import wait_for

SOURCES = {
    "ragged": RaggedNumbers(60, padding=-1),
    "jpeg": EncodedImages("jpeg", 60, quality=70),
    "png": EncodedImages("png", 60),
    "file": EncodedImages("file", 60),
}

SCRIPT = """
import sys, time
from keras_bigdata import pack
from tests.packing.test_varlen_packs import SOURCES

class Slow:
    def __init__(self, source):
        self.source, self.roles, self.stored_forms = source, source.roles, source.stored_forms

    def __len__(self):
        return len(self.source)

    def __getitem__(self, row):
        time.sleep(float(sys.argv[3]))
        return self.source[row]

    def fingerprint(self):
        return {"kind": "Slow"}

if __name__ == "__main__":
    pack(Slow(SOURCES[sys.argv[1]]), sys.argv[2], shard_samples=5, workers=int(sys.argv[4]))
"""


def start(
    script: Path, kind: str, out: Path, seconds: float, workers: int
) -> subprocess.Popen[str]:
    script.write_text(SCRIPT)
    arguments = [kind, str(out), str(seconds), str(workers)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ragged", "jpeg"])
def test_a_killed_pack_continues_and_ends_with_the_same_bytes(tmp_path, kind):
    script = tmp_path / "script.py"
    with start(script, kind, tmp_path / "at once", 0, 1) as process:
        assert process.wait() == 0, process.stderr.read()
    out = tmp_path / "out"
    with start(script, kind, out, 0.01, 1) as process:
        wait_for(lambda: len(list(out.glob("shard-*.pkl"))) >= 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (out / "index.json").exists()
    with start(script, kind, out, 0, 2) as process:
        assert process.wait() == 0, process.stderr.read()
    assert read_files(out) == read_files(tmp_path / "at once")


@pytest.mark.parametrize("kind", SOURCES)
def test_appended_rows_are_stored_like_the_others(tmp_path, kind):
    source = SOURCES[kind]
    pack(source, tmp_path / "all", shard_samples=25, workers=1)
    more = (
        RaggedNumbers(10, padding=-1)
        if kind == "ragged"
        else EncodedImages(kind, 10, first=60, quality=70 if kind == "jpeg" else 90)
    )
    index = pack(more, tmp_path / "all", append=True, workers=1)
    assert index.num_samples == 70
    assert ShardIndex.load(tmp_path / "all").fields == index.fields
    assert verify(tmp_path / "all").ok
    assert len(pack(more, tmp_path / "all", append=True, workers=1)) == len(index)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            EncodedImages("png"),
            EncodedImages("jpeg", first=100),
            r"the fields differ.*stored as png.*in the directory and .*stored as jpeg",
        ),
        (
            EncodedImages("jpeg"),
            EncodedImages("file", first=100),
            r"the fields differ.*12, 12, 3\), stored as jpeg.*any, any, 3\), stored as file",
        ),
        (
            EncodedImages("file"),
            EncodedImages("file", channels=1, first=100),
            r"the fields differ.*any, any, 3\).*any, any, 1\)",
        ),
        (
            EncodedImages("jpeg", quality=80),
            EncodedImages("jpeg", quality=90, first=100),
            r"the images are encoded in different ways.*'quality': 80.*'quality': 90.*`store`",
        ),
        (
            RaggedNumbers(),
            RaggedNumbers(21, padding=-1),
            r"the fields differ.*padded with -1",
        ),
    ],
)
def test_rows_that_are_stored_in_another_form_are_not_appended(tmp_path, first, second, message):
    pack(first, tmp_path / "all", workers=1)
    files = read_files(tmp_path / "all")
    with pytest.raises(PackError, match=f"cannot be appended: {message}"):
        pack(second, tmp_path / "all", append=True)
    assert read_files(tmp_path / "all") == files


def test_pixels_and_encoded_images_are_not_mixed(tmp_path):
    class Pixels(EncodedImages):
        def __init__(self):
            super().__init__("jpeg")
            self.stored_forms = {}

    pack(Pixels(), tmp_path / "pixels", workers=1)
    with pytest.raises(PackError, match=r"12, 12, 3\), 'labels'.*stored as jpeg"):
        pack(EncodedImages("jpeg", first=100), tmp_path / "pixels", append=True)
    pack(EncodedImages("jpeg"), tmp_path / "jpeg", workers=1)
    with pytest.raises(PackError, match=r"stored as jpeg.* in the directory"):
        pack(Pixels(), tmp_path / "jpeg", append=True)


def test_another_quality_is_another_pack(tmp_path):
    pack(EncodedImages("jpeg", quality=80), tmp_path / "a", workers=1)
    with pytest.raises(PackError, match="quality was 80 and is 90"):
        pack(EncodedImages("jpeg", quality=90), tmp_path / "a")
    index = pack(EncodedImages("jpeg", quality=80), tmp_path / "a")
    assert index.provenance["forms"] == {"images": {"codec": "jpeg", "quality": 80}}


def test_a_pack_without_forms_has_no_record_of_them(tmp_path):
    class Pixels(EncodedImages):
        stored_forms = None

        def __init__(self):
            super().__init__("jpeg")
            del self.__dict__["stored_forms"]

    pack(Pixels(), tmp_path / "a", workers=1)
    assert "forms" not in json.loads((tmp_path / "a" / "index.json").read_text())["made"]
