"""No key, secret or token reaches a message, a traceback, a repr or a log record."""

import logging
import traceback

import pytest

import keras_bigdata as kb
from keras_bigdata import ShardIndex, StorageError
from keras_bigdata.storage.paths.place import as_place
from keras_bigdata.storage.requests import request
from keras_bigdata.storage.urls import filesystem
from keras_bigdata.storage.urls.storage_options import StorageOptions
from tests.helpers.s3_server import S3Server
from tests.helpers.web_server import Faults

SECRET = "very/secret+value"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(request, "PAUSES", (0.01,))


def shown_by(call, caplog):
    """Returns everything that a failing call shows: the traceback with its chain, and the log."""
    caplog.set_level(logging.DEBUG, logger="keras_bigdata")
    with pytest.raises((StorageError, kb.CorruptShardError)) as caught:
        call()
    error = caught.value
    records = [record.getMessage() for record in caplog.records if "keras_bigdata" in record.name]
    return "".join([*traceback.format_exception(error), repr(error), str(error), *records])


@pytest.mark.parametrize(
    "text",
    [
        "key very/secret+value is wrong",
        "GET /?sig=very%2Fsecret%2Bvalue",
        "{'secret': 'very/secret+value'}",
    ],
)
@pytest.mark.parametrize("chained", [False, True])
def test_the_text_of_a_driver_that_repeats_a_secret_is_hidden(monkeypatch, caplog, text, chained):
    def broken(self, path, start=None, end=None, **options):
        if chained:
            raise OSError("the request failed") from ValueError(text)
        raise OSError(text)

    import fsspec

    driver = fsspec.get_filesystem_class("memory")
    monkeypatch.setattr(driver, "cat_file", broken)
    options = {"secret": SECRET, "nested": {"token": [b"very/secret+value"]}}
    shown = shown_by(lambda: ShardIndex.load("memory://b/x", storage_options=options), caplog)
    assert "memory://b/x/index.json" in shown
    assert SECRET not in shown
    assert "very%2Fsecret%2Bvalue" not in shown


def test_a_password_of_digits_is_hidden():
    options = StorageOptions({"password": 20241126})
    assert options.hide_in("login with 20241126 failed") == "login with *** failed"


def test_the_password_of_a_proxy_is_hidden_without_its_address():
    options = StorageOptions({"proxies": {"http": "http://someone:a-password@proxy:3128"}})
    assert options.hide_in("proxy refused a-password") == "proxy refused ***"


def test_secrets_in_objects_and_addresses_are_hidden():
    class Credentials:
        def __init__(self):
            self.token = "token-of-the-object"
            self.region = "europe-west1"

    options = as_place(
        "memory://b/x",
        "url",
        {"credentials": Credentials(), "account_url": "https://a.net/?sv=1&sig=abcdef123"},
    ).options
    text = "token-of-the-object europe-west1 https://a.net/?sv=1&sig=abcdef123 end"
    assert options.hide_in(text) == "*** europe-west1 *** end"


def test_secrets_of_the_environment_are_hidden(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-environment")
    options = as_place("memory://b/x", "url").options
    assert options.hide_in("x secret-of-the-environment y") == "x *** y"


def test_a_web_server_refuses_a_password(web, caplog):
    web.faults = Faults(error=1.0, statuses=(401,))
    options = {"headers": {"Authorization": "Bearer the-password"}}
    shown = shown_by(lambda: ShardIndex.load(web.url, storage_options=options), caplog)
    assert f"{web.url}/index.json: cannot be read (" in shown
    assert "the-password" not in shown
    assert len(web.requests) == 1


@pytest.mark.slow
def test_wrong_keys_of_s3_are_refused_once_and_not_shown(caplog, monkeypatch):
    pytest.importorskip("moto.server")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = S3Server(checks_keys=True)
    attempts = []
    original = request.is_final
    monkeypatch.setattr(request, "is_final", lambda error: attempts.append(1) or original(error))
    try:
        shown = shown_by(
            lambda: ShardIndex.load("s3://bucket/x", storage_options=server.options), caplog
        )
        assert "s3://bucket/x/index.json" in shown
        assert server.key not in shown
        assert server.secret not in shown
        assert len(attempts) == 1
        without = {"client_kwargs": {"endpoint_url": server.endpoint}}
        shown = shown_by(lambda: ShardIndex.load("s3://bucket/x", storage_options=without), caplog)
        assert "NoCredentialsError" in shown
        assert len(attempts) == 2
    finally:
        server.close()


def test_options_of_a_driver_that_refuses_them_are_not_shown(caplog):
    pytest.importorskip("s3fs")
    options = {"key": "one-key-of-two", "username": "the-other-key"}
    shown = shown_by(lambda: ShardIndex.load("s3://bucket/x", storage_options=options), caplog)
    assert "the driver cannot be opened" in shown
    assert "one-key-of-two" not in shown
    assert filesystem.SILENCE == 15
