"""Airflow's own ciphertext, taken off on the way out and put back on the way in.

A ciphertext field travels with a mark of what it was, inside the encrypted object:
`p:` its plaintext; `c:` the ciphertext itself, because the source could not open it either (the
target will fail on it exactly as the source does, and the manifest lists it); `u:` text that was
not encrypted in the source.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.fernet import InvalidToken, MultiFernet

from mwaa_dr_metadata.errors import BackupRefusedError, TargetRefusedError
from mwaa_dr_metadata.rules import Sealed
from mwaa_dr_metadata.session import COPY_CHUNK, Reader, Writer

NULL = b"\\N"
TRUE = b"t"
PLAIN, CIPHER, UNENCRYPTED = "p:", "c:", "u:"
MARK = 2

_ESCAPES = {
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r"[\b\f\n\r\t\v\\]")
_UNESCAPES = {char: f"\\{name}" for name, char in _ESCAPES.items()}

RowTransform = Callable[[list[bytes]], list[bytes]]


def decode(field: bytes) -> str | None:
    """A field of COPY text as its value; PostgreSQL writes no other escapes than these."""
    if field == NULL:
        return None
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), field.decode())


def encode(value: str | None) -> bytes:
    """A value as a field of COPY text."""
    if value is None:
        return NULL
    return _SPECIAL.sub(lambda match: _UNESCAPES[match[0]], value).encode()


@dataclass(frozen=True, slots=True)
class Fields:
    """Where a table's ciphertext is within a row."""

    sealed: tuple[Sealed, ...]
    columns: tuple[str, ...]

    def positions(self) -> list[tuple[str, int, int | None]]:
        """(column, its position, its flag's position) of each ciphertext column."""
        place = {name: number for number, name in enumerate(self.columns)}
        return [
            (item.column, place[item.column], place[item.flag] if item.flag else None)
            for item in self.sealed
        ]


def opener(
    fields: Fields,
    fernet: MultiFernet | None,
    unreadable: Callable[[list[bytes], str, str], None],
) -> RowTransform:
    """Takes the source's encryption off a row; `unreadable(row, column, reason)` hears of failures.

    An empty text is never encrypted by Airflow, whatever the flag says.
    """
    positions = fields.positions()

    def transform(row: list[bytes]) -> list[bytes]:
        for column, place, flag in positions:
            value = decode(row[place])
            if value is None:
                continue
            encrypted = not value.startswith("{") if flag is None else row[flag] == TRUE
            if not encrypted or not value:
                row[place] = encode(UNENCRYPTED + value)
                continue
            clear = _opened(fernet, value)
            if clear is None:
                reason = "no Fernet key" if fernet is None else "the Fernet key does not fit"
                unreadable(row, column, reason)
            row[place] = encode(CIPHER + value if clear is None else PLAIN + clear)
        return row

    return transform


def _opened(fernet: MultiFernet | None, value: str) -> str | None:
    if fernet is None:
        return None
    try:
        return fernet.decrypt(value.encode()).decode()
    except (InvalidToken, UnicodeDecodeError):
        return None


def closer(fields: Fields, fernet: MultiFernet | None, *, allow_unencrypted: bool) -> RowTransform:
    """Puts the target's encryption on a row."""
    positions = fields.positions()

    def transform(row: list[bytes]) -> list[bytes]:
        for column, place, flag in positions:
            marked = decode(row[place])
            if marked is None:
                continue
            mark, value = marked[:MARK], marked[MARK:]
            if mark == PLAIN and fernet is not None:
                value = fernet.encrypt(value.encode()).decode()
            elif mark == PLAIN:
                if not allow_unencrypted:
                    raise TargetRefusedError(
                        "the backup holds secrets and the target has no Fernet key to encrypt them "
                        "with; set AIRFLOW__CORE__FERNET_KEY"
                    )
                if flag is not None:
                    row[flag] = b"f"
            elif mark not in (CIPHER, UNENCRYPTED):
                raise BackupRefusedError(f"{column} carries the unknown mark {mark!r}")
            row[place] = encode(value)
        return row

    return transform


def plaintext(fields: Fields, fernet: MultiFernet | None) -> RowTransform:
    """Fields as marked plaintext, to compare rows of two environments with different keys."""
    return opener(fields, fernet, lambda _row, _column, _reason: None)


class RowWriter:
    """Applies a transform to COPY text on its way to `target`."""

    def __init__(self, target: Writer, transform: RowTransform) -> None:
        self._target = target
        self._transform = transform
        self._rest = b""

    def write(self, data: bytes) -> int:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._target.write(b"\t".join(self._transform(line.split(b"\t"))) + b"\n")
        return len(data)


class RowReader:
    """Applies a transform to COPY text on its way from `source`."""

    def __init__(self, source: Reader, transform: RowTransform) -> None:
        self._source = source
        self._transform = transform
        self._rest = b""
        self._ready = bytearray()

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._ready) < size:
            data = self._source.read(COPY_CHUNK)
            if not data:
                break
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._ready += b"\t".join(self._transform(line.split(b"\t"))) + b"\n"
        wanted = len(self._ready) if size < 0 else size
        result = bytes(self._ready[:wanted])
        del self._ready[:wanted]
        return result


def fields_of(sealed: Sequence[Sealed], columns: Sequence[str]) -> Fields | None:
    """None for a table without ciphertext."""
    return Fields(tuple(sealed), tuple(columns)) if sealed else None
