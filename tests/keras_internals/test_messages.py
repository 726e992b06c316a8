"""What processes tell each other, with one process that stands for the others."""

import json

import pytest

from keras_bigdata.keras_internals.processes import Processes, _length_of, _pieces


class Two(Processes):
    """The first of two processes; the other one passes `other`."""

    size = 2

    def __init__(self, other=b""):
        self.other = other
        self.sent = []

    def gather(self, data):
        return [data, self.other]

    def broadcast(self, data):
        self.sent.append(data)
        return data


def test_processes_that_differ_are_refused_with_both_values():
    other = json.dumps({"seed": "2", "rows": "5"}).encode()
    with pytest.raises(ValueError, match="the data: seed is 1 in process 0, and 2 in process 1"):
        Two(other).agree("the data", {"seed": 1, "rows": 5})
    Two(other).agree("the data", {"seed": 2, "rows": 5})
    with pytest.raises(ValueError, match='what is None in process 0, and "x" in process 1'):
        Two(json.dumps({"what": '"x"'}).encode()).agree("the call", {})


def test_a_value_that_cannot_be_sent_is_an_error_of_all_processes():
    """The first process failed before it sent anything, and the others waited."""
    processes = Two()
    with pytest.raises(TypeError, match="not JSON serializable"):
        processes.from_first(object)
    assert json.loads(processes.sent[0])["error"] == "TypeError"


@pytest.mark.parametrize("length", [0, 1, 1024, 1025, 5 * 2**20, 3 * 2**31 + 7])
def test_a_message_is_sent_in_pieces_also_beyond_two_gigabytes(length):
    pieces = list(_pieces(length))
    assert sum(size for _, size in pieces) >= length
    stop = 0
    for start, size in pieces:
        assert start == stop
        stop = start + size
    assert int.from_bytes(_length_of(range(length)).tobytes(), "little") == length
