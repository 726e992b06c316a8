"""The drivers of stores: paths that they make of URLs, and what their errors mean."""

import fsspec
import pytest

from keras_bigdata import StorageError
from keras_bigdata.storage.paths.place import as_place
from keras_bigdata.storage.requests import request
from keras_bigdata.storage.requests.driver_errors import hidden_failure, is_final, status_of
from keras_bigdata.storage.requests.request import TransferError
from keras_bigdata.storage.urls import filesystem
from keras_bigdata.storage.urls.storage_options import StorageOptions


@pytest.mark.parametrize(
    ("package", "url", "path"),
    [
        ("s3fs", "s3://bucket/a b/ü+%41", "bucket/a b/ü+%41/x y%.pkl"),
        ("gcsfs", "gs://bucket/a b/ü+%41", "bucket/a b/ü+%41/x y%.pkl"),
        ("gcsfs", "gcs://bucket/a/", "bucket/a/x y%.pkl"),
        ("adlfs", "az://container/a b/ü+%41", "container/a b/ü+%41/x y%.pkl"),
        ("adlfs", "abfss://container@me.dfs.core.windows.net/a", "container/a/x y%.pkl"),
        ("huggingface_hub", "hf://datasets/me/set/a", "datasets/me/set/a/x y%.pkl"),
        ("huggingface_hub", "hf://datasets/me/set@main/a", "datasets/me/set@main/a/x y%.pkl"),
    ],
)
def test_paths_of_drivers(package, url, path):
    pytest.importorskip(package)
    place = as_place(url, "url") / "x y%.pkl"
    driver = fsspec.get_filesystem_class(place.scheme)
    assert driver._strip_protocol(place.url) == path
    assert place.name == "x y%.pkl"
    assert place.parent == as_place(url, "url")


def test_the_account_in_a_url_reaches_the_driver():
    driver = pytest.importorskip("adlfs").AzureBlobFileSystem
    url = "abfss://container@me.dfs.core.windows.net/a"
    options = StorageOptions({"account_key": "a2V5"})
    arguments = filesystem._arguments(driver, url, "abfss", options)
    assert arguments["account_name"] == "me"
    assert arguments["account_key"] == "a2V5"


class DriverError(Exception):
    """An error as a driver raises it."""

    def __init__(self, text="", **attributes):
        super().__init__(text)
        self.__dict__.update(attributes)


class ClientAuthenticationError(Exception):
    """Named as that of azure.core."""


class Response:
    status_code = 403


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (DriverError(status=503), False),  # aiohttp
        (DriverError(status=403), True),
        (DriverError(status_code=429), False),  # azure.core
        (DriverError(status_code=400), True),
        (DriverError(code=500), False),  # gcsfs
        (DriverError(code="401"), True),
        (DriverError(code="ConnectionReset"), False),
        (DriverError(response=Response()), True),  # huggingface_hub
        (DriverError(response={"ResponseMetadata": {"HTTPStatusCode": 400}}), True),  # botocore
        (DriverError(response={"ResponseMetadata": {"HTTPStatusCode": 503}}), False),
        (OSError("Forbidden: https://storage.googleapis.com/..."), True),  # gcsfs
        (OSError(22, "Bad Request"), True),  # s3fs
        (OSError(16, "Slow down"), False),
        (OSError(5, "unknown"), False),
        (ConnectionResetError(), False),
        (TimeoutError(), False),
        (PermissionError(), True),
        (ClientAuthenticationError(), True),
        (ValueError("unable to connect to account"), True),
        (TransferError("5 bytes were received"), False),
    ],
)
def test_which_errors_are_final(error, final):
    assert is_final(error) == final
    chained = OSError("the request failed")
    chained.__cause__ = error
    if status_of(error) is not None:
        assert is_final(chained) == final


@pytest.mark.parametrize(
    ("cause", "missing"),
    [
        (None, True),
        (DriverError(status=404), True),
        (KeyError("x"), True),
        (DriverError(status=500), False),
        (DriverError(response=Response()), False),  # a private repository of Hugging Face
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
    ],
)
def test_which_missing_files_are_missing(cause, missing):
    error = FileNotFoundError("x")
    error.__cause__ = cause
    assert (hidden_failure(error) is None) == missing


def test_a_status_404_of_any_driver_is_a_missing_file():
    def call():
        raise DriverError(code=404)

    with pytest.raises(FileNotFoundError):
        request.request(call, "gs://b/x", StorageOptions())


def test_a_cancelled_request_is_not_an_empty_answer(monkeypatch):
    """`fsspec.asyn.sync` returns None for it."""
    import asyncio

    from fsspec.asyn import AsyncFileSystem

    class Driver(AsyncFileSystem):
        cachable = False

        async def _cat_file(self, path, start=None, end=None, **options):
            raise asyncio.CancelledError

    monkeypatch.setattr(request, "PAUSES", ())
    with pytest.raises(StorageError, match="cancelled"):
        request.request(
            lambda: request.call_driver(Driver(), "cat_file", "x"), "x://y", StorageOptions()
        )


def test_a_listing_of_hugging_face_has_the_spelling_of_the_driver(monkeypatch):
    class Resolved:
        def unresolve(self):
            return "datasets/me/set@abc/a"

    class Driver(fsspec.AbstractFileSystem):
        cachable = False

        def resolve_path(self, path):
            assert path == "hf://datasets/me/set/a"
            return Resolved()

        def find(self, path, **options):
            return {f"{path}/x.pkl": {"name": f"{path}/x.pkl", "size": 5, "blob_id": "1"}}

    monkeypatch.setattr(
        "keras_bigdata.storage.paths.remote_path.open_filesystem", lambda url, options: Driver()
    )
    place = as_place("hf://datasets/me/set/a", "url")
    assert place.list_files() == {"x.pkl": (5, "blob_id 1")}
