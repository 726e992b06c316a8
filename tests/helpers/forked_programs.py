"""Runs one program many times, in forks of a process that has imported Keras.

Each run begins and ends as a process of its own does; only the 5 seconds of the import are shared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.helpers.paths import ROOT

# The program follows; a child leaves the loop and runs it, as `__main__`, to the end.
HEAD = """
import json, os, signal, sys
import keras
import keras_bigdata.loading.sequence

ended = []
for number, arguments in enumerate(json.loads(sys.argv[1])):
    child = os.fork()
    if child == 0:
        signal.alarm(int(sys.argv[2]))  # a run that hangs ends with the status -14
        for descriptor, name in ((1, "out"), (2, "error")):
            os.dup2(os.open(f"{name}{number}", os.O_CREAT | os.O_WRONLY), descriptor)
        sys.argv[1:] = arguments
        break
    ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
else:
    print(json.dumps(ended))
    sys.exit()
"""


def run_forked(
    folder: Path, program: str, runs: list[list[str]], seconds: int = 50
) -> list[tuple[int, list[str], str]]:
    """Runs a program once for each list of arguments.

    Returns (exit status, lines of standard output, standard error) of each run.
    """
    path = folder / "program.py"
    path.write_text(HEAD + textwrap.dedent(program))
    process = subprocess.run(
        [sys.executable, str(path), json.dumps(runs), str(seconds)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return [
        (status, (folder / f"out{number}").read_text().split("\n")[:-1], read(folder, number))
        for number, status in enumerate(json.loads(process.stdout))
    ]


def read(folder: Path, number: int) -> str:
    return (folder / f"error{number}").read_text()
