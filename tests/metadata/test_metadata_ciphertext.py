"""COPY text is read as PostgreSQL writes it, and secrets change keys without changing."""

import pytest
from cryptography.fernet import Fernet, MultiFernet
from hypothesis import given
from hypothesis import strategies as st

from mwaa_dr_metadata.ciphertext import (
    Fields,
    RowReader,
    RowWriter,
    closer,
    decode,
    encode,
    opener,
)
from mwaa_dr_metadata.errors import BackupRefusedError, TargetRefusedError
from mwaa_dr_metadata.rules import Sealed

SOURCE, TARGET = (MultiFernet([Fernet(Fernet.generate_key())]) for _ in range(2))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
FLAGGED = Fields((Sealed("val", "flag"),), ("key", "val", "flag"))
SELF_TOLD = Fields((Sealed("kwargs"),), ("id", "kwargs"))


class Lines:
    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.written = b""

    def read(self, size: int = -1) -> bytes:
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)


@given(TEXT)
def test_a_field_comes_back_and_holds_no_separator(value):
    field = encode(value)
    assert decode(field) == value
    assert not {b"\t", b"\n", b"\r"} & {field[i : i + 1] for i in range(len(field))}


def test_null_and_empty_and_the_text_backslash_n_are_three_things():
    assert [decode(encode(value)) for value in (None, "", "\\N")] == [None, "", "\\N"]
    assert len({encode(None), encode(""), encode("\\N")}) == 3


def refuse(row, column, reason):
    raise AssertionError((row, column, reason))


def changed_keys(row, fields=FLAGGED, source=SOURCE, target=TARGET, unreadable=refuse, **options):
    carried = opener(fields, source, unreadable)(list(row))
    return carried, closer(fields, target, allow_unencrypted=False, **options)(list(carried))


@given(TEXT.filter(bool))
def test_a_secret_is_the_same_under_the_other_key(value):
    token = SOURCE.encrypt(value.encode()).decode()
    _, row = changed_keys([b"k", encode(token), b"t"])
    assert TARGET.decrypt(decode(row[1])).decode() == value
    assert row[2] == b"t"


@pytest.mark.parametrize("value", [None, "", "clear text"])
def test_what_was_not_encrypted_stays_as_it_was(value):
    _, row = changed_keys([b"k", encode(value), b"f"])
    assert decode(row[1]) == value


def test_an_empty_text_is_never_taken_for_ciphertext():
    _, row = changed_keys([b"k", b"", b"t"])
    assert row == [b"k", b"", b"t"]


def test_a_trigger_says_itself_whether_it_is_encrypted():
    _, row = changed_keys([b"7", encode('{"a": 1}')], SELF_TOLD)
    assert decode(row[1]) == '{"a": 1}'
    token = SOURCE.encrypt(b'{"a": 1}').decode()
    _, row = changed_keys([b"7", encode(token)], SELF_TOLD)
    assert TARGET.decrypt(decode(row[1])) == b'{"a": 1}'


@pytest.mark.parametrize(("source", "reason"), [(None, "no Fernet key"), (TARGET, "does not fit")])
def test_what_the_source_cannot_open_is_reported_and_carried_as_it_is(source, reason):
    token = SOURCE.encrypt(b"lost").decode()
    reports = []
    _, row = changed_keys(
        [b"k", encode(token), b"t"],
        source=source,
        unreadable=lambda row, column, why: reports.append((row[0], column, why)),
    )
    assert decode(row[1]) == token
    assert [(key, column) for key, column, _ in reports] == [(b"k", "val")]
    assert reason in reports[0][2]


def test_a_rotated_key_opens_what_the_old_one_sealed():
    old = Fernet(Fernet.generate_key())
    rotating = MultiFernet([Fernet(Fernet.generate_key()), old])
    _, row = changed_keys([b"k", encode(old.encrypt(b"v").decode()), b"t"], source=rotating)
    assert TARGET.decrypt(decode(row[1])) == b"v"


def test_a_target_without_a_key_is_refused_unless_clear_text_is_allowed():
    row = [b"k", encode("p:v"), b"t"]
    with pytest.raises(TargetRefusedError, match="AIRFLOW__CORE__FERNET_KEY"):
        closer(FLAGGED, None, allow_unencrypted=False)(list(row))
    assert closer(FLAGGED, None, allow_unencrypted=True)(list(row)) == [b"k", b"v", b"f"]


def test_an_unknown_mark_is_refused():
    with pytest.raises(BackupRefusedError, match="unknown mark"):
        closer(FLAGGED, TARGET, allow_unencrypted=False)([b"k", b"x:v", b"t"])


@given(
    st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=20), st.integers(1, 50), st.integers(1, 50)
)
def test_rows_survive_any_chunking(rows, write, read):
    data = b"".join(b"\t".join(map(encode, row)) + b"\n" for row in rows)
    sink = Lines()
    writer = RowWriter(sink, lambda row: row)
    for start in range(0, len(data), write):
        writer.write(data[start : start + write])
    assert sink.written == data
    reader, result = RowReader(Lines(data), lambda row: row), b""
    while piece := reader.read(read):
        result += piece
    assert result == data
