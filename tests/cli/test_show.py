"""Images of a set in the terminal and as HTML."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from rich.console import Console

from keras_bigdata import Arrays, ImageFolder, pack
from keras_bigdata.cli.main import main
from keras_bigdata.plots.drawing import cut_line
from keras_bigdata.plots.terminal_images import image_grid, image_text
from tests.helpers.html_checker import Checker
from tests.helpers.image_files import write_image


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    directory = tmp_path_factory.mktemp("shards") / "a<b"
    images = np.zeros((9, 8, 6, 3), np.uint8) + np.arange(9, dtype=np.uint8)[:, None, None, None]
    source = Arrays(
        images=images, labels=np.arange(9) % 2, targets="labels", classes=["cat & dog", "fox"]
    )
    pack(source, directory, shuffle=False, verbose=0)
    return str(directory)


def test_lines_where_there_is_no_terminal(photos, capsys):
    assert main(["show", photos, "--count", "3"]) == 0
    assert capsys.readouterr().out == (
        "row 0\t8x6\tcat & dog\nrow 4\t8x6\tcat & dog\nrow 8\t8x6\tcat & dog\n"
    )
    assert main(["show", photos, "--count", "0"]) == 1
    assert "--count" in capsys.readouterr().err


def test_json_has_rows_sizes_and_labels(photos, capsys):
    assert main(["show", photos, "--count", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    image = {"height": 8, "width": 6, "label": "cat & dog", "file": None}
    assert found == {
        "directory": photos,
        "samples": 9,
        "field": "images",
        "images": [{"row": 0, **image}, {"row": 8, **image}],
    }
    assert main(["show", photos, "--json", "--html", "page.html"]) == 1
    assert "Leave one of them out" in capsys.readouterr().err


def test_an_unknown_field_is_named_with_those_that_there_are(photos, capsys):
    assert main(["show", photos, "--field", "image"]) == 1
    assert "has no field 'image'. Its fields: 'images', 'labels'" in capsys.readouterr().err


def test_images_of_any_size_have_whole_file_names_and_no_size_of_the_display(tmp_path, capsys):
    (tmp_path / "photos/cat").mkdir(parents=True)
    for number in range(3):
        write_image(tmp_path / f"photos/cat/{number}.png", 9, (10 + number, 7))
    pack(ImageFolder(tmp_path / "photos", store="file"), tmp_path / "s", shuffle=False, verbose=0)
    command = ["show", str(tmp_path / "s"), "--count", "2"]
    assert main([*command, "--json"]) == 0
    image = {"height": None, "width": None, "label": "cat"}
    assert json.loads(capsys.readouterr().out)["images"] == [
        {"row": 0, **image, "file": "cat/0.png"},
        {"row": 2, **image, "file": "cat/2.png"},
    ]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("row 0\tany size\tcat\t0.png\n")


def test_numbers_are_labels_too(tmp_path, capsys):
    pack(
        Arrays(x=np.zeros((2, 8, 8), np.uint8), score=[0.123456789, 2], targets="score"),
        tmp_path / "s",
        shuffle=False,
        verbose=0,
    )
    assert main(["show", str(tmp_path / "s"), "--json"]) == 0
    labels = [image["label"] for image in json.loads(capsys.readouterr().out)["images"]]
    assert labels == [0.123456789, 2]
    assert main(["show", str(tmp_path / "s")]) == 0
    assert capsys.readouterr().out == "row 0\t8x8\t0.123457\nrow 1\t8x8\t2\n"


def test_colours_on_a_terminal_unless_they_are_switched_off(photos, capsys, monkeypatch):
    for name in ("NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["show", photos, "--count", "2"]) == 0
    shown = capsys.readouterr().out
    assert "\u2580" in shown
    assert "cat & dog" in shown
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["show", photos, "--count", "2"]) == 0
    assert capsys.readouterr().out.startswith("row 0\t8x6\t")


def test_a_character_has_two_pixels():
    image = np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8).repeat(2, 1)
    text = image_text(image, 2)
    assert text.plain == "\u2580\u2580"
    assert {str(span.style) for span in text.spans} == {"#ff0000 on #0000ff"}
    # An image that is higher than wide keeps its shape: 2 pixels of 6, 4 characters of 8 rows.
    assert image_text(np.zeros((8, 2), np.uint8), 8).plain == "\n".join(["\u2580\u2580"] * 4)


@pytest.mark.parametrize("width", [5, 47, 80])
def test_the_grid_fits_the_terminal(width):
    console = Console(width=width, force_terminal=True, color_system="truecolor")
    with console.capture() as capture:
        console.print(
            image_grid([np.zeros((8, 8))] * 5, ["a label\na_long_file_name.png"] * 5, width)
        )
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capture.get()).split("\n")
    assert max(map(len, lines)) <= width
    blocks = max(line.count("\u2580") for line in lines)
    assert blocks == {5: 5, 47: 40, 80: 60}[width]


def test_long_names_keep_their_ends():
    assert cut_line("0123456789", 10) == "0123456789"
    assert cut_line("0123456789abc", 10) == "0123…89abc"
    assert [len(cut_line("0123456789abc", limit)) for limit in (2, 5, 9)] == [2, 5, 9]


def test_the_page_is_complete_and_loads_nothing(photos, tmp_path, capsys):
    output = tmp_path / "page.html"
    assert main(["show", photos, "--count", "5", "--html", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    page = output.read_text()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert "5 of 9 rows" in checker.text
    assert page.count("<img ") == page.count('src="data:image/png;base64,') == 5
    assert re.findall('alt="([^"]*)"', page)[0] == "row 0, cat &amp; dog"
    assert "a&lt;b" in page
    assert "a<b" not in page
