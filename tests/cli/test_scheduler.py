"""Addresses of `--scheduler` that cannot be used are refused before there is a client."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from keras_bigdata.cli import main
from tests.helpers.image_files import write_image

distributed = pytest.importorskip("distributed")


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of the clients that the command has made; none of them connects."""
    made: list[str] = []

    def client(address: str, **_: object) -> NoReturn:
        made.append(address)
        raise OSError("stop")

    monkeypatch.setattr(distributed, "Client", client)
    return made


def pack(tmp_path: Path, address: str) -> int:
    for number in range(2):
        write_image(tmp_path / "photos" / "a" / f"{number}.png", number)
    command = ["pack", "images", str(tmp_path / "photos"), "--size", "4x4"]
    return main([*command, "-o", str(tmp_path / "out"), "--scheduler", address])


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("foo", "missing port number in address 'foo'"),
        ("127.0.0.1:http", "invalid literal for int"),
        ("tcp://127.0.0.1:0", "the port is not one of 1 to 65535"),
        ("tcp://127.0.0.1:70000", "the port is not one of 1 to 65535"),
        ("::1:8786", "ipv6 needs brackets"),
        ("nothing://127.0.0.1:8786", "unknown address scheme 'nothing'"),
        ("inproc://127.0.0.1", "don't know how to extract host and port"),
    ],
)
def test_a_malformed_address_leaves_no_client_that_ends_in_a_traceback(
    address: str,
    reason: str,
    clients: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    assert pack(tmp_path, address) == 1
    error = capsys.readouterr().err
    expected = f"--scheduler {address}: is not the address of a Dask scheduler, such as tcp://"
    assert expected in error
    assert reason in error
    assert error.count("\n") == 1
    assert clients == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("scheme", ["tls", "wss"])
def test_tls_without_certificates_is_not_a_fault_of_this_package(
    scheme: str, clients: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    import dask

    assert pack(tmp_path, f"{scheme}://127.0.0.1:8786") == 1
    error = capsys.readouterr().err
    assert f"--scheduler {scheme}://127.0.0.1:8786: TLS needs certificates" in error
    assert "pack from Python" in error
    assert error.count("\n") == 1
    assert clients == []
    with dask.config.set({"distributed.client.security-loader": "builtins.print"}):
        assert pack(tmp_path, f"{scheme}://127.0.0.1:8786") == 1
    assert clients == [f"{scheme}://127.0.0.1:8786"]


def test_certificates_that_are_missing_are_not_a_scheduler_that_does_not_answer(
    clients: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    import dask

    files = {name: str(tmp_path / name) for name in ("ca-file", "client.cert")}
    with dask.config.set({f"distributed.comm.tls.{name}": files[name] for name in files}):
        assert pack(tmp_path, "tls://127.0.0.1:8786") == 1
    error = capsys.readouterr().err
    assert "(distributed.comm.tls) cannot be read (" in error
    assert error.count("\n") == 1
    assert clients == []


def test_addresses_that_dask_takes_get_a_client(clients: list[str], tmp_path: Path):
    addresses = ["127.0.0.1:8786", "tcp://node-1.cluster:8786", "[::1]:8786", "ws://10.0.0.1:80"]
    for address in addresses:
        assert pack(tmp_path, address) == 1
    assert clients == addresses
