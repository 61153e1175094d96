"""Objects come back byte for byte, and nothing that was changed comes back at all."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mwaa_dr_metadata import streams
from mwaa_dr_metadata.errors import BackupRefusedError
from mwaa_dr_metadata.streams import DecryptingReader, EncryptingWriter

KEY = bytes(range(32))
COMPRESSIONS = ["zstd", "gzip"]


class Sink:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def sealed(data: bytes, compression: str = "zstd", name: str = "a/b", key: bytes = KEY) -> bytes:
    sink = Sink()
    writer = EncryptingWriter(sink, key, name, compression)
    for start in range(0, len(data), 7919):
        writer.write(data[start : start + 7919])
    writer.close()
    assert writer.size == len(sink.data)
    return bytes(sink.data)


def opened(
    data: bytes, compression: str = "zstd", name: str = "a/b", key: bytes = KEY, chunk: int = 1000
) -> bytes:
    chunks = (data[start : start + chunk] for start in range(0, len(data), chunk))
    reader = DecryptingReader(chunks, key, name, compression)
    result = bytearray()
    while piece := reader.read(333):
        result += piece
    assert reader.size == len(data)
    return bytes(result)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@given(data=st.binary(max_size=5000), chunk=st.integers(1, 6000))
@settings(max_examples=60, deadline=None)
def test_an_object_comes_back_as_it_was_however_it_is_read(compression, data, chunk):
    assert opened(sealed(data, compression), compression, chunk=chunk) == data


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_an_object_of_many_frames_comes_back(compression):
    data = os.urandom(3 * streams.FRAME + 17)
    assert opened(sealed(data, compression), compression, chunk=1 << 16) == data


@given(data=st.binary(max_size=300), place=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_one_changed_bit_anywhere_is_refused(data, place, bit):
    stored = bytearray(sealed(data))
    stored[place % len(stored)] ^= 1 << bit
    with pytest.raises(BackupRefusedError):
        opened(bytes(stored))


@given(data=st.binary(max_size=300), cut=st.integers(1, 10_000))
@settings(max_examples=100, deadline=None)
def test_an_object_that_was_cut_off_is_refused(data, cut):
    stored = sealed(data)
    with pytest.raises(BackupRefusedError):
        opened(stored[: len(stored) - 1 - cut % len(stored)])


def test_whole_frames_cannot_be_dropped_repeated_or_swapped():
    stored = sealed(os.urandom(3 * streams.FRAME))
    head = len(streams.MAGIC) + streams.SALT_BYTES
    size = streams.LENGTH.size + streams.FRAME + streams.TAG_BYTES
    first, second = stored[head : head + size], stored[head + size : head + 2 * size]
    rest = stored[head + 2 * size :]
    for frames in (first + rest, first + first + rest, second + first + rest, first + second):
        with pytest.raises(BackupRefusedError):
            opened(stored[:head] + frames)


def test_an_object_does_not_open_under_another_name_or_key():
    stored = sealed(b"row\n")
    for change in ({"name": "a/c"}, {"key": bytes(32)}):
        with pytest.raises(BackupRefusedError):
            opened(stored, **change)


def test_the_same_rows_are_never_stored_alike_and_never_in_clear():
    assert sealed(b"secret-value\n" * 50) != sealed(b"secret-value\n" * 50)
    assert b"secret-value" not in sealed(b"secret-value\n" * 50)


def test_gzip_is_used_where_zstandard_is_missing(monkeypatch):
    monkeypatch.setattr(streams, "zstandard", None)
    assert streams.best_compression() == "gzip"
    assert opened(sealed(b"x\n", "gzip"), "gzip") == b"x\n"
    with pytest.raises(BackupRefusedError, match="requirements"):
        opened(sealed(b"x\n", "gzip"), "zstd")
