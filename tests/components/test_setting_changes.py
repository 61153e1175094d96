"""docs/changes.md, as far as it can be judged without an engine."""

import re

import pytest
from program_run import ROOT, short
from setting_changes import CHANGES, HOLD_DATA, harmed, page, summary

PAGE = (ROOT / "docs" / "changes.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][1:]
BUCKET = "aws:s3/bucket:Bucket"
TOPIC = "aws:sns/topic:Topic"


def test_every_change_has_its_row_in_order():
    assert [row[0] for row in ROWS] == [change.title for change in CHANGES]
    assert page(tuple(row) for row in ROWS) == PAGE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_nothing_that_holds_data_is_replaced_or_deleted(row):
    held = {short(kind) for kind in HOLD_DATA}
    for cell in row[1:]:
        for part in cell.split("; "):
            operation, _, kinds = part.partition(" ")
            if operation in ("replace", "delete"):
                assert not held & set(re.sub(r"\b\d+ ", "", kinds).split(", ")), cell


def test_a_cell_counts_by_type_and_shortens_only_what_does_no_harm():
    found = [("create", TOPIC, "a"), ("create", TOPIC, "b"), ("update", BUCKET, "c")]
    assert summary(found) == "create 2 sns.Topic; update s3.Bucket"
    assert summary([("same", TOPIC, "a")]) == "nothing"
    many = [f"aws:x/t{number}:T{number}" for number in range(9)]
    assert summary([("update", kind, "a") for kind in many]) == "update resources of 9 types"
    assert summary([("delete", kind, "a") for kind in many]).startswith("delete x.T0, x.T1, x.T2")


def test_a_replaced_bucket_would_be_found():
    assert harmed([("replace", BUCKET, "a"), ("replace", TOPIC, "b"), ("update", BUCKET, "c")]) == [
        ("replace", BUCKET, "a")
    ]
