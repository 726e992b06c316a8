"""Reads many hostile files in a child process, which may be killed by them."""

from __future__ import annotations

import argparse
import hashlib
import mmap
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
from pathlib import Path

from keras_bigdata.shards.pickles import compression
from tests.fuzz import check, corpus, grammar, indexes, mutate
from tests.fuzz.check import Finding

BATCH = 500
EXPANDED = 8 << 20  # limits for compressed files here, so that bombs are quick
PARSED = 1 << 20
PLAIN_MEMORY = 64 << 20
COMPRESSED_MEMORY = 600 << 20  # xz may ask for 256 MiB
SILENT = 60.0  # seconds without an execution are a hang
GROWN = 4000  # files kept because their outcome was new

_COUNTS = ("executions", "accepted", "indexes", "found", "batches", "kept")


class Fuzzer:
    """Runs batches of files; a batch depends only on the seed and its number.

    Args:
        seed: the seed of all choices.
        found: directory for the files that reveal a bug. Defaults to `None`.
    """

    def __init__(self, seed: int, found: Path | None = None) -> None:
        self.seed = seed
        self.found = found
        self.fd = check.in_memory()
        self.plain = corpus.seeds()
        self.grown: list[corpus.Chunks] = []
        self.outcomes: set[str] = set()
        self.indexes = indexes.valid()
        self.findings: dict[str, bytes] = {}
        self.executions = self.accepted = self.index_runs = 0
        with tempfile.TemporaryDirectory() as directory:
            for chunks in self.plain:  # all lazy imports happen here
                check.put(self.fd, b"".join(chunks))
                self._quietly(b"".join(chunks))
            for content in self.indexes:
                indexes.check(Path(directory), indexes.json.dumps(content).encode())

    def _quietly(self, data: bytes) -> None:
        try:
            check.check(self.fd, data)
        except Finding as error:
            if "ran" not in str(error):
                self.keep(str(error), data)

    def batch(self, number: int) -> None:
        """Runs some hundred files of one kind."""
        rng = random.Random(f"{self.seed} {number}")
        if number % 20 == 19:
            return self.index_batch(rng)
        packed = number % 12 == 5
        limit_memory(COMPRESSED_MEMORY if packed else PLAIN_MEMORY)
        for position in range(BATCH // 4 if packed else BATCH):
            data = self.one(rng)
            if packed:
                data = mutate.compressed(rng, data)
            self.executions += 1
            try:
                outcome = check.check(self.fd, data, measured=position == 7)
            except Finding as error:
                self.keep(str(error), data)
                continue
            self.accepted += outcome.startswith("fields")
            if not packed and outcome not in self.outcomes and len(self.grown) < GROWN:
                self.outcomes.add(outcome)
                if len(data) < 5000:
                    self.grown.append(corpus.split_opcodes(data))
        return None

    def one(self, rng: random.Random) -> bytes:
        roll = rng.random()
        if roll < 0.25:
            data = grammar.Grammar(rng).file()
            if roll < 0.15:
                return data[: mutate.LARGEST]
            return mutate.mutated(rng, [corpus.split_opcodes(data)])
        return mutate.mutated(rng, self.grown if roll < 0.5 and self.grown else self.plain)

    def index_batch(self, rng: random.Random) -> None:
        limit_memory(COMPRESSED_MEMORY)
        with tempfile.TemporaryDirectory(dir=_in_memory()) as name:
            directory = Path(name)
            for _ in range(BATCH // 4):
                data = indexes.mutated(rng, self.indexes)
                self.index_runs += 1
                try:
                    indexes.check(directory, data)
                except Finding as error:
                    self.keep(f"index: {error}", data)

    def keep(self, symptom: str, data: bytes) -> None:
        """Keeps the shortest file of every symptom."""
        title = check.template(symptom)
        if title in self.findings and len(self.findings[title]) <= len(data):
            return
        self.findings[title] = data
        if self.found is not None:
            keep(self.found, symptom, data)


def keep(found: Path, symptom: str, data: bytes) -> None:
    title = hashlib.sha1(check.template(symptom).encode()).hexdigest()[:12]
    path = found / f"{title}.bin"
    if path.exists() and path.stat().st_size <= len(data):
        return
    path.write_bytes(data)
    (found / f"{title}.txt").write_text(f"{symptom}\n{data[:2000]!r}\n", errors="backslashreplace")


def _in_memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


_limited = False


def limit_memory(extra: int) -> None:
    """Limits the address space of a child process to `extra` bytes more than it has."""
    if not _limited or not sys.platform.startswith("linux"):
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (pages * mmap.PAGESIZE + extra, hard))


def _child(fuzzer: Fuzzer, shared: mmap.mmap, until: float, executions: int, batches: int) -> None:
    global _limited  # noqa: PLW0603
    _limited = True
    counts = dict(zip(_COUNTS, struct.unpack("6q", shared[:48]), strict=True))
    base = dict(counts)
    for _ in range(batches):
        fuzzer.batch(counts["batches"])
        counts["batches"] += 1
        counts["executions"] = base["executions"] + fuzzer.executions
        counts["accepted"] = base["accepted"] + fuzzer.accepted
        counts["indexes"] = base["indexes"] + fuzzer.index_runs
        counts["found"] = base["found"] + len(fuzzer.findings)
        counts["kept"] = len(fuzzer.grown)
        shared[:48] = struct.pack("6q", *counts.values())
        if time.time() > until or counts["executions"] >= executions:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--executions", type=int, default=10**12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--found", type=Path, default=Path(tempfile.gettempdir(), "fuzz-found"))
    parsed = parser.parse_args()
    parsed.found.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("error")
    compression.EXPANDED_AT_LEAST, compression.PARSED_AT_LEAST = EXPANDED, PARSED
    fuzzer = Fuzzer(parsed.seed, parsed.found)
    shared = mmap.mmap(-1, 4096)
    start, last = time.time(), 0.0
    until = start + parsed.seconds
    while True:
        child = os.fork()
        if not child:
            try:
                _child(fuzzer, shared, until, parsed.executions, 400)
                os._exit(0)
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(3)
        seen, since = b"", time.time()
        while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.2)
            if shared[:48] != seen:
                seen, since = shared[:48], time.time()
            if time.time() - since > SILENT:
                os.kill(child, signal.SIGKILL)
            if time.time() - last > 20:
                last = time.time()
                _report(shared, last - start)
        status = os.waitpid(child, 0)[1]
        counts = list(struct.unpack("6q", shared[:48]))
        if status:
            data = os.pread(fuzzer.fd, 1 << 20, 0)
            keep(parsed.found, f"the process ended with {status} in batch {counts[4]}", data)
            counts[4] += 1
            shared[:48] = struct.pack("6q", *counts)
        if time.time() > until or counts[0] >= parsed.executions:
            break
    _report(shared, time.time() - start)
    print("done", flush=True)


def _report(shared: mmap.mmap, seconds: float) -> None:
    counts = struct.unpack("6q", shared[:48])
    words = ", ".join(f"{name} {count:,}" for name, count in zip(_COUNTS, counts, strict=True))
    print(f"{seconds:,.0f} s: {words}, {counts[0] / max(seconds, 1):,.0f} a second", flush=True)


if __name__ == "__main__":
    main()
