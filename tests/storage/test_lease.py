"""A lease: one process at a time writes below a URL, and another one after it has ended."""

import contextlib
import functools
import subprocess
import sys
import threading
import time

import fsspec
import pytest

from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.requests import conditional_write
from keras_bigdata.storage.writing.lease import Lease, LeaseHeldError, LeaseLostError
from keras_bigdata.storage.writing.lease_holder import LeaseHolder

MEMORY = fsspec.filesystem("memory")


@pytest.fixture
def leases(tmp_path):
    place = RemotePath(f"memory://leases-{tmp_path.name}/lease")
    yield place
    if MEMORY.exists(place.url):
        MEMORY.rm(place.url, recursive=True)


def leave(leases, number, **changes):
    """Writes the lease of another process."""
    holder = LeaseHolder(**{"expires": time.time() + 30, "host": "other-host", **changes})
    (leases / f"{number:06d}.json").write_bytes(holder.to_bytes())
    return holder


def test_one_process_has_it_until_it_is_released(leases):
    first = Lease(leases)
    assert first.is_conditional
    with pytest.raises(LeaseHeldError, match=r"process \d+ on .* \(until .* UTC\)"):
        Lease(leases)
    assert first.ticket.may_continue()
    ticket = first.ticket
    first.release()
    assert not ticket.may_continue()
    second = Lease(leases)
    second.release()
    assert leases.list_sizes() == {}
    with pytest.raises(LeaseLostError):
        second.check()


def test_that_of_another_machine_is_taken_when_it_has_expired(leases):
    leave(leases, 1, expires=time.time() + 0.3)
    with pytest.raises(LeaseHeldError, match="other-host"):
        Lease(leases)
    time.sleep(0.35)
    lease = Lease(leases)
    assert list(leases.list_sizes()) == ["000002.json"]
    lease.release()


def test_that_of_a_killed_process_of_this_machine_is_taken_at_once(leases):
    code = (
        "import os, sys; from keras_bigdata.storage.writing.lease_holder import LeaseHolder\n"
        "sys.stdout.write(LeaseHolder(float('1e11')).to_bytes().decode()); sys.stdout.flush()\n"
        "sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        content = b""
        while not content.endswith(b"}"):
            content += process.stdout.read(1)
        (leases / "000001.json").write_bytes(content)
        if not LeaseHolder.from_bytes(content).machine:
            pytest.skip("the system does not tell processes apart")
        with pytest.raises(LeaseHeldError, match=f"process {process.pid} "):
            Lease(leases)
        process.kill()
        process.wait()
        Lease(leases).release()
    # The same number of a process is not enough: another machine may have such a process.
    gone = LeaseHolder.from_bytes(content)
    leave(leases, 1, pid=gone.pid, machine=gone.machine)
    with pytest.raises(LeaseHeldError, match="other-host"):
        Lease(leases)


def test_that_of_a_machine_whose_clock_is_ahead_names_the_file_to_delete(leases):
    leave(leases, 1, expires=time.time() + 1e8)
    with pytest.raises(
        LeaseHeldError, match=r"clock that is ahead.*delete memory://.*000001\.json"
    ):
        Lease(leases)


def test_of_many_that_take_an_expired_one_no_two_have_it(leases):
    """The create of `memory://` is not atomic among threads; one at a time is as in a store."""
    driver, guard = type(MEMORY), threading.Lock()
    original = driver.pipe_file

    @functools.wraps(original)
    def one_at_a_time(self, *arguments, **options):
        with guard:
            return original(self, *arguments, **options)

    for _ in range(5):
        leave(leases, 7, expires=0.0)
        taken, start = [], threading.Barrier(6)

        def take(taken=taken, start=start):
            start.wait()
            with contextlib.suppress(LeaseHeldError):
                taken.append(Lease(leases))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(driver, "pipe_file", one_at_a_time)
            threads = [threading.Thread(target=take) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(taken) <= 1
        for lease in taken:
            assert lease.is_conditional
            lease.check()
            lease.release()
        for name in leases.list_sizes():
            (leases / name).remove()


def test_a_process_that_slept_finds_that_it_was_taken(leases):
    slept = Lease(leases)
    (leases / "000001.json").write_bytes(
        LeaseHolder(0.0, owner=slept.holder.owner, machine="").to_bytes()
    )
    other = Lease(leases)
    with pytest.raises(LeaseLostError, match=r"process \d+ on .* and process \d+ on .* has it now"):
        slept.check()
    assert not slept.ticket.may_continue()
    slept.release()
    other.check()
    other.release()
    assert leases.list_sizes() == {}


@pytest.mark.parametrize("reason", ["no argument", "refused"])
def test_a_store_that_cannot_decide_keeps_the_last_one(leases, monkeypatch, reason):
    driver = type(MEMORY)
    original = driver.pipe_file
    if reason == "no argument":  # of an older driver, which would ignore the mode

        def pipe_file(self, path, value, **options):
            assert not options
            return original(self, path, value)

    else:

        def pipe_file(self, path, value, mode="overwrite"):
            if mode == "create":
                raise NotImplementedError
            return original(self, path, value)

    monkeypatch.setattr(driver, "pipe_file", pipe_file)
    first = Lease(leases)
    assert not first.is_conditional
    # Another process has listed before the first one wrote.
    second = leave(leases, 1)
    with pytest.raises(LeaseLostError, match=f"{first.holder.pid} on .*other-host"):
        first.check()
    first.release()
    assert LeaseHolder.from_bytes((leases / "000001.json").read_bytes()) == second


def test_errors_of_drivers_that_mean_that_a_file_exists():
    class ClientError(Exception):
        def __init__(self):
            self.response = {"Error": {"Code": "PreconditionFailed"}}

    class ResourceExistsError(Exception):
        pass

    wrapped = OSError(22, "precondition")
    wrapped.__cause__ = ClientError()
    for error in (wrapped, ResourceExistsError(), FileExistsError()):
        assert conditional_write.is_refused_because_it_exists(error)
    assert not conditional_write.is_refused_because_it_exists(OSError(22, "other"))


@pytest.mark.slow
@pytest.mark.parametrize("package", ["s3fs", "gcsfs", "adlfs"])
def test_the_drivers_have_a_conditional_write(package):
    module = pytest.importorskip(package)
    name = {
        "s3fs": "S3FileSystem",
        "gcsfs": "GCSFileSystem",
        "adlfs": "AzureBlobFileSystem",
    }[package]
    driver = getattr(module, name)
    # `write_options` looks at the methods only.
    options = conditional_write.write_options(object.__new__(driver), True)
    assert options in ({"mode": "create"}, {"overwrite": False})
