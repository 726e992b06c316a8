"""Progress, notes and summaries on stderr."""

from __future__ import annotations

import io
import re
import sys
import time
from typing import Any

import numpy as np
import pytest

from keras_bigdata import Arrays, PackError, capture, pack, progress
from keras_bigdata.progress import checked_verbose, note, summarize, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Replaces stderr; not a fixture, because pytest replaces stderr after those."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@pytest.mark.parametrize(("value", "expected"), [("auto", "auto"), (0, 0), (np.int64(2), 2)])
def test_verbose_is_one_of_four(value: Any, expected: Any):
    assert checked_verbose(value) == expected


@pytest.mark.parametrize("value", [3, -1, True, None, "1", 1.0])
def test_other_values_are_refused(value: Any):
    with pytest.raises(
        ValueError, match=r"`verbose` must be 'auto', 0, 1 or 2. Received: verbose="
    ):
        checked_verbose(value)


@pytest.mark.parametrize("verbose", ["auto", 0, 1, 2])
def test_all_items_are_yielded(verbose: Any, monkeypatch):
    use_terminal(monkeypatch)
    assert list(track(range(3), 3, "Counting", verbose)) == [0, 1, 2]
    assert list(track(iter("ab"), None, "Counting", verbose)) == ["a", "b"]


def test_a_bar_has_the_rate_and_the_time_left(monkeypatch):
    terminal = use_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "100")
    items = track(range(20), 20, "Counting", 1)
    for _ in range(10):
        next(items)
        time.sleep(0.05)
    list(items)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert re.search(r"100% [\d,.]+/s 0:00:0\d", shown)


def test_a_bar_from_the_start_or_only_if_it_takes_long(monkeypatch):
    terminal = use_terminal(monkeypatch)
    list(track(range(3), 3, "Counting"))
    assert terminal.getvalue() == ""
    list(track(range(3), 3, "Counting", verbose=1))
    assert "Counting" in terminal.getvalue()
    terminal.truncate(0)
    monkeypatch.setattr(progress, "QUIET_SECONDS", -1.0)
    list(track(range(3), 3, "Counting"))
    assert "Counting" in terminal.getvalue()


def test_lines_where_there_is_no_terminal(capsys, monkeypatch):
    for verbose in ("auto", 1, 2):
        list(track(range(3), 3, "Counting", verbose))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "LINE_SECONDS", -1.0)
    for verbose in ("auto", 1, 2):
        list(track(range(2), 2, "Counting", verbose))
        assert capsys.readouterr().err == "Counting: 1 of 2\nCounting: 2 of 2\n"
    list(track(range(1), None, "Counting", verbose=2))
    assert capsys.readouterr().err == "Counting: 1\n"
    list(track(range(2), 2, "Counting", verbose=0))
    assert capsys.readouterr().err == ""


def test_lines_on_a_terminal(monkeypatch):
    terminal = use_terminal(monkeypatch)
    monkeypatch.setattr(progress, "LINE_SECONDS", -1.0)
    list(track(range(2), 2, "Counting", verbose=2))
    assert terminal.getvalue() == "Counting: 1 of 2\nCounting: 2 of 2\n"


@pytest.mark.parametrize(
    ("verbose", "expected"),
    [("auto", "note\n"), (0, ""), (1, "note\nsummary\n"), (2, "note\nsummary\n")],
)
def test_notes_and_summaries(verbose: Any, expected: str, capsys):
    note("note", verbose)
    summarize("summary", verbose)
    out, err = capsys.readouterr()
    assert (out, err) == ("", expected)


class BadRow:
    def __len__(self) -> int:
        return 6

    def __getitem__(self, row: int) -> dict[str, Any]:
        if row == 4:
            raise KeyError(row)
        return {"x": row}


@pytest.mark.parametrize("verbose", ["auto", 0, 1, 2])
def test_pack(tmp_path, capsys, verbose: Any):
    for _ in range(2):
        pack(BadRow(), tmp_path / "out", on_error="skip", workers=1, verbose=verbose)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("1 row left out:\n  row 4: KeyError" in err) == (verbose != 0)
    assert ("is packed already; nothing to do." in err) == (verbose != 0)
    summary = f"{tmp_path / 'out'}: 5 samples in 1 shards, 0.0 MB, packed in "
    assert err.count(summary) == (verbose in (1, 2))
    if verbose == 0:
        assert err == ""


@pytest.mark.parametrize("verbose", ["auto", 0, 1, 2])
def test_capture(tmp_path, capsys, verbose: Any):
    batches = [(np.zeros((3, 2)), np.zeros(3))] * 2
    capture(batches, tmp_path / "out", verbose=verbose)
    out, err = capsys.readouterr()
    assert out == ""
    summary = f"{tmp_path / 'out'}: 6 samples in 1 shards, 0.0 MB, captured in "
    assert err.startswith(summary) == (verbose in (1, 2))
    assert bool(err) == (verbose in (1, 2))


def test_an_interrupt_without_a_word(tmp_path, capsys):
    def interrupted():
        yield np.zeros((2, 3)), np.zeros(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(interrupted(), tmp_path / "out", verbose=0)
    assert capsys.readouterr().err == ""


def test_verbose_is_checked_before_any_work_and_does_not_make_another_call(tmp_path):
    for function, source in ((pack, Arrays(x=np.zeros(3))), (capture, [(np.zeros(3),)])):
        with pytest.raises(ValueError, match="`verbose`"):
            function(source, tmp_path / "out", verbose=3)
    assert not (tmp_path / "out").exists()
    pack(Arrays(x=np.zeros(3)), tmp_path / "out", verbose=0)
    pack(Arrays(x=np.zeros(3)), tmp_path / "out", verbose=2)
    with pytest.raises(PackError):
        pack(Arrays(x=np.ones(3)), tmp_path / "out", verbose=0)
