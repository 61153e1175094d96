"""Conditions mean what IAM says they mean."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.access.conditions import PolicyError, fits, holds, like

CONTEXT = {
    "aws:requestedregion": ("us-west-2",),
    "aws:securetransport": ("true",),
    "aws:principalaccount": ("123456789012",),
    "aws:sourcearn": ("arn:aws:events:us-east-1:123456789012:rule/nightly",),
    "kms:resourcealiases": ("alias/mine", "alias/ours"),
    "s3:max-keys": ("50",),
    "aws:currenttime": ("2026-11-26T12:00:00Z",),
    "aws:sourceip": ("10.1.2.3",),
}
TEXT = st.text(alphabet="ab:/*?.$[]-", max_size=12)


def one(operator, key, *wanted):
    return holds({operator: {key: wanted}}, CONTEXT)


@given(pattern=TEXT, text=TEXT)
def test_a_wildcard_is_any_text_and_a_question_mark_one_character(pattern, text):
    # A glob whose brackets are escaped is the same language, made by somebody else.
    glob = re.sub(r"([\[\]])", r"[\1]", pattern)
    assert like(pattern, text) == (re.match(fnmatch.translate(glob), text) is not None)


@given(text=TEXT)
def test_a_text_without_wildcards_means_itself_alone(text):
    plain = text.replace("*", "x").replace("?", "y")
    assert like(plain, plain)
    assert not like(plain, f"{plain}z")
    assert like("*", text)


@given(value=TEXT, tail=TEXT)
def test_the_value_of_a_variable_is_never_a_pattern(value, tail):
    context = {"aws:username": (value,)}
    assert fits("home/${aws:username}/*", f"home/{value}/{tail}", context)
    assert fits("home/${aws:username}", f"home/{value}", context)
    if value != "x" * len(value):
        assert not fits("home/${aws:username}", f"home/{'x' * len(value)}", context)


def test_a_variable_without_a_value_matches_nothing_unless_it_has_a_default():
    assert not fits("home/${aws:username}", "home/", {})
    assert fits("home/${aws:username, 'guest'}", "home/guest", {})
    assert fits("${*}", "*", {})
    assert not fits("${*}", "a", {})


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "held"),
    [
        ("StringEquals", "AWS:RequestedRegion", ("us-east-1", "us-west-2"), True),
        ("StringEquals", "aws:RequestedRegion", ("us-*",), False),
        ("StringLike", "aws:RequestedRegion", ("us-*",), True),
        ("StringNotEquals", "aws:RequestedRegion", ("us-west-2", "eu-west-1"), False),
        ("StringNotLike", "aws:RequestedRegion", ("eu-*",), True),
        ("StringEqualsIgnoreCase", "aws:RequestedRegion", ("US-WEST-2",), True),
        ("Bool", "aws:SecureTransport", ("false",), False),
        ("Bool", "aws:SecureTransport", ("True",), True),
        ("ArnLike", "aws:SourceArn", ("arn:aws:events:*:123456789012:rule/*",), True),
        ("ArnLike", "aws:SourceArn", ("arn:aws:*:rule/nightly",), False),
        ("ArnNotEquals", "aws:SourceArn", ("arn:aws:sns:*:*:*",), True),
        ("NumericLessThanEquals", "s3:max-keys", ("50",), True),
        ("NumericGreaterThan", "s3:max-keys", ("50",), False),
        ("DateLessThan", "aws:CurrentTime", ("2026-11-27T00:00:00Z",), True),
        ("DateGreaterThan", "aws:CurrentTime", ("2026-11-27T00:00:00Z",), False),
        ("IpAddress", "aws:SourceIp", ("10.0.0.0/8", "192.168.0.0/16"), True),
        ("NotIpAddress", "aws:SourceIp", ("10.0.0.0/8",), False),
        ("ForAnyValue:StringEquals", "kms:ResourceAliases", ("alias/ours",), True),
        ("ForAllValues:StringEquals", "kms:ResourceAliases", ("alias/ours",), False),
        ("ForAllValues:StringLike", "kms:ResourceAliases", ("alias/*",), True),
    ],
)
def test_operators(operator, key, wanted, held):
    assert one(operator, key, *wanted) is held


@pytest.mark.parametrize(
    ("operator", "held"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringEqualsIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringNotEquals", False),
        ("Bool", False),
    ],
)
def test_a_key_that_the_request_does_not_carry(operator, held):
    assert one(operator, "aws:Missing", "true") is held


def test_null_asks_whether_the_key_is_missing():
    assert one("Null", "aws:Missing", "true")
    assert not one("Null", "aws:Missing", "false")
    assert one("Null", "aws:SecureTransport", "false")


def test_all_conditions_must_hold():
    both = {
        "StringEquals": {"aws:RequestedRegion": ("us-west-2",)},
        "Bool": {"aws:SecureTransport": ("false",)},
    }
    assert not holds(both, CONTEXT)


def test_an_unknown_operator_is_an_error_and_never_a_guess():
    with pytest.raises(PolicyError, match=r"StringMatches: .*cannot judge"):
        one("StringMatches", "aws:RequestedRegion", "us-west-2")
