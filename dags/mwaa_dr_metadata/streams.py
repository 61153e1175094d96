"""The bytes of a backup object: rows as COPY writes them, compressed, then encrypted as a whole.

Rows hold secrets in more places than the columns that Airflow encrypts (XComs, rendered fields, run
configurations, audit records), so every object with rows is encrypted under the backup's data key,
not single fields of it. What Airflow itself encrypts is decrypted with the Fernet key of the source
on the way in and encrypted with the target's on the way out (`ciphertext`), and is in clear only
in memory. Documents (manifest, oracle, code) hold DAG ids, times, versions and the names of secrets
that could not be read; they stay readable for the control plane, covered by the signature.

AES-256-GCM costs little: measured at several GB/s on one core with AES instructions, five times as
fast as the sha256 that the manifest needs anyway, and far above the rate at which PostgreSQL
produces rows.

Layout: magic, 16 bytes of salt, then frames of a 4 byte length and a ciphertext. Each object has
its own key (HKDF of the data key over salt and object name), so frames cannot move between objects;
the nonce is the frame's number and whether it is the last, so they cannot be re-ordered, repeated
or cut off.
"""

import gzip
import hashlib
import secrets
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mwaa_dr_metadata.errors import BackupRefusedError
from mwaa_dr_metadata.session import Reader, Writer

try:
    import zstandard
except ImportError:
    zstandard = None  # MWAA's constraints pin it, but Airflow does not install it

MAGIC = b"MWDR\x01\x00\x00\x00"
SALT_BYTES = 16
FRAME = 1 << 20
GATHERED = 1 << 18
"""Smaller writes are compressed together."""
TAG_BYTES = 16
LENGTH = struct.Struct(">I")
ZSTD_LEVEL = 1
GZIP_LEVEL = 1
"""Higher levels cost twice the CPU and more, for a few percent of size or none on rows."""


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def best_compression() -> str:
    return "gzip" if zstandard is None else "zstd"


def _compressor(compression: str) -> Compressor:
    if compression == "zstd" and zstandard is not None:
        return cast("Compressor", zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj())
    return cast("Compressor", zlib.compressobj(GZIP_LEVEL, wbits=31))


def _decompressed(compression: str, source: Reader) -> Reader:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=cast("BinaryIO", source), mode="rb")
    if compression != "zstd":
        raise BackupRefusedError(f"compression {compression!r} is not known; use zstd or gzip")
    if zstandard is None:
        raise BackupRefusedError(
            "the backup is compressed with zstd, which this environment lacks; add `zstandard` to "
            "its requirements"
        )
    return cast("Reader", zstandard.ZstdDecompressor().stream_reader(cast("BinaryIO", source)))


def _object_key(data_key: bytes, salt: bytes, name: str) -> AESGCM:
    info = b"mwaa-dr object " + name.encode()
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(data_key))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class EncryptingWriter:
    """Compresses and encrypts what is written; `close` ends the stream.

    Args:
        name: the object's key relative to the manifest; the encryption is bound to it.
    """

    def __init__(self, target: Writer, data_key: bytes, name: str, compression: str) -> None:
        salt = secrets.token_bytes(SALT_BYTES)
        self._target = target
        self._head = MAGIC + salt
        self._cipher = _object_key(data_key, salt, name)
        self._compressor = _compressor(compression)
        self._raw = bytearray()
        self._packed = bytearray()
        self._number = 0
        self._sha256 = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def write(self, data: bytes) -> int:
        if not self._raw and len(data) >= GATHERED:
            self._pack(data)  # as it comes from a COPY: not copied once more
            return len(data)
        self._raw += data
        if len(self._raw) >= GATHERED:
            self._pack(bytes(self._raw))
            self._raw.clear()
        return len(data)

    def _pack(self, data: bytes) -> None:
        self._packed += self._compressor.compress(data)
        self._send_whole_frames()

    def close(self) -> None:
        self._packed += self._compressor.compress(bytes(self._raw)) + self._compressor.flush()
        self._send_whole_frames()
        self._frame(bytes(self._packed), last=True)

    def _send_whole_frames(self) -> None:
        while len(self._packed) > FRAME:
            self._frame(bytes(self._packed[:FRAME]), last=False)
            del self._packed[:FRAME]

    def _frame(self, data: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), data, None)
        self._number += 1
        self._put(self._head + LENGTH.pack(len(sealed)) + sealed)
        self._head = b""

    def _put(self, data: bytes) -> None:
        self._sha256.update(data)
        self.size += len(data)
        self._target.write(data)


class _Chunks:
    """Reads exact numbers of bytes from an iterator of chunks, hashing what passes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()
        self.sha256 = hashlib.sha256()
        self.size = 0

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self.sha256.update(chunk)
            self.size += len(chunk)
            self._buffer += chunk
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


class _Decrypted:
    """The plaintext of an object, frame by frame; nothing unauthenticated gets out."""

    def __init__(self, chunks: _Chunks, data_key: bytes, name: str) -> None:
        self._chunks = chunks
        self._name = name
        if chunks.read(len(MAGIC)) != MAGIC:
            raise BackupRefusedError(f"{name} is not an object of a backup")
        self._cipher = _object_key(data_key, chunks.read(SALT_BYTES), name)
        self._number = 0
        self._ahead = self._next_frame()
        if not self._ahead:
            raise BackupRefusedError(f"{name} is cut off")
        self._buffer = b""

    def read(self, size: int = -1) -> bytes:
        while self._ahead and not self._buffer:
            self._buffer = self._open_frame()
        wanted = len(self._buffer) if size < 0 else size
        data, self._buffer = self._buffer[:wanted], self._buffer[wanted:]
        return data

    def _next_frame(self) -> bytes:
        header = self._chunks.read(LENGTH.size)
        if not header:
            return b""
        length = LENGTH.unpack(header)[0] if len(header) == LENGTH.size else 0
        frame = self._chunks.read(length)
        if not TAG_BYTES <= length <= FRAME + TAG_BYTES or len(frame) != length:
            raise BackupRefusedError(f"{self._name} is damaged: a frame of {length} bytes")
        return frame

    def _open_frame(self) -> bytes:
        frame, self._ahead = self._ahead, self._next_frame()
        nonce = _nonce(self._number, last=not self._ahead)
        self._number += 1
        try:
            return self._cipher.decrypt(nonce, frame, None)
        except (InvalidTag, ValueError):
            raise BackupRefusedError(f"{self._name} is damaged, cut off or altered") from None


class DecryptingReader:
    """The rows of an object; read it to its end, then compare `sha256` and `size`.

    Raises:
        BackupRefusedError: the bytes are not what was written.
    """

    def __init__(
        self, chunks: Iterator[bytes], data_key: bytes, name: str, compression: str
    ) -> None:
        self._chunks = _Chunks(chunks)
        self._name = name
        self._plain: Any = _decompressed(compression, _Decrypted(self._chunks, data_key, name))

    def read(self, size: int = -1) -> bytes:
        try:
            return self._plain.read(size)
        except BackupRefusedError:
            raise
        except Exception as error:
            # Authenticated bytes that do not decompress were written wrong.
            raise BackupRefusedError(f"{self._name} does not decompress: {error}") from error

    def drain(self) -> None:
        while self.read(FRAME):
            pass

    @property
    def sha256(self) -> str:
        return self._chunks.sha256.hexdigest()

    @property
    def size(self) -> int:
        return self._chunks.size
