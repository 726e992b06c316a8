"""Starts several processes on this machine that train together, and ends all of them in time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

from tests.helpers.paths import ROOT, WITHOUT_TENSORFLOW


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class ProcessGroup:
    """Processes that run one module with the arguments RANK SIZE PORT and those that are passed.

    If one of them fails, the others would wait for it: they are ended. `tensorflow` is for those
    that need it next to their backend, for a `tf.data.Dataset`.
    """

    def __init__(
        self,
        module: str,
        size: int,
        *arguments: object,
        backend: str = "jax",
        tensorflow: bool = False,
    ) -> None:
        port = free_port()
        folders = [*([] if tensorflow else [str(WITHOUT_TENSORFLOW)]), str(ROOT)]
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")]),
        }
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-u", "-m", module, str(rank), str(size), str(port)]
                + [str(argument) for argument in arguments],
                env=environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(size)
        ]

    def wait(self, seconds: float = 400) -> list[str]:
        """Waits until all have ended, and returns what they printed.

        Raises:
            AssertionError: if one of them failed, with what it printed, or if time is up, with the
                stacks of those that still run.
        """
        stop = time.monotonic() + seconds
        try:
            while any(process.poll() is None for process in self._processes):
                if time.monotonic() > stop or any(p.poll() for p in self._processes):
                    break
                time.sleep(0.05)
        finally:
            ended = [process.poll() for process in self._processes]
            if time.monotonic() > stop:
                self._print_stacks()
            texts = self.kill()
        assert ended == [0] * len(ended), f"ended with {ended}\n" + "\n----\n".join(
            text[-4000:] for text in texts
        )
        return texts

    def _print_stacks(self) -> None:
        """Makes those that still run print the stacks of their threads, and end."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGABRT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)

    def kill(self) -> list[str]:
        """Kills those that still run, and returns what all of them printed."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
        return [process.communicate()[0] for process in self._processes]


def run_together(
    module: str, size: int, *arguments: object, backend: str = "jax", tensorflow: bool = False
) -> list[str]:
    """Runs a module in several processes that train together; returns what each printed."""
    return ProcessGroup(module, size, *arguments, backend=backend, tensorflow=tensorflow).wait()
