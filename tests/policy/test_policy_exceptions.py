"""Exceptions: a reason, an end, and nobody forgets them."""

import re
from datetime import date

import pytest
from policy_judge import TODAY, judge
from policy_programs import dr

from mwaa_dr_policy.configuration import check
from mwaa_dr_policy.exceptions import Ledger, read

RULE = "mwaa-dr-bucket-versioned"


def excused(resource="dags", reason="moves to another bucket in December", until="2026-12-31"):
    return {RULE: {"exceptions": [{"resource": resource, "reason": reason, "until": until}]}}


@pytest.fixture
def broken():
    program = dr()
    del program["dags-versioning"]
    return program


def violations(program, config, today=TODAY):
    return judge(program, config=config, today=today)[0].get(RULE, [])


def test_an_exception_excuses_its_resource_and_no_other(broken):
    assert len(violations(broken, {})) == 1
    assert violations(broken, excused()) == []
    assert len(violations(broken, excused(resource="backups"))) == 1


@pytest.mark.parametrize(("day", "holds"), [(31, True), (1, False)])
def test_an_exception_holds_until_its_last_day(broken, day, holds):
    today = date(2026, 12, 31) if day == 31 else date(2027, 1, 1)
    found = violations(broken, excused(), today)
    assert (found == []) is holds
    if not holds:
        assert "its exception (moves to another bucket in December) ended on 2026-12-31" in found[0]


@pytest.mark.parametrize(("until", "holds"), [("2027-04-30", True), ("2027-05-01", False)])
def test_an_exception_may_not_last_longer_than_half_a_year(broken, until, holds):
    found = violations(broken, excused(until=until))
    assert (found == []) is holds
    if not holds:
        assert "more than 180 days ahead" in found[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": "later"}, "the reason 'later' says too little"),
        ({"reason": "           "}, "says too little"),
        ({"until": "soon"}, "until 'soon' is no day; use YYYY-MM-DD"),
        ({"until": "2027-02-30"}, "until '2027-02-30' is no day; use YYYY-MM-DD"),
        ({"until": "20261231"}, "until '20261231' is no day; use YYYY-MM-DD"),
        ({"until": "2026-W53-4"}, "until '2026-W53-4' is no day; use YYYY-MM-DD"),
    ],
)
def test_an_incomplete_exception_is_refused_by_name(broken, changes, said):
    with pytest.raises(ValueError, match=rf"{RULE}: exceptions: dags: .*{said}"):
        judge(broken, config=excused(**changes))


@pytest.mark.parametrize("key", ["resource", "reason", "until"])
def test_an_exception_needs_every_key_and_no_other(key):
    whole = excused()[RULE]["exceptions"][0]
    with pytest.raises(ValueError, match=f"{key} does not fit"):
        read([{name: value for name, value in whole.items() if name != key}])
    with pytest.raises(ValueError, match="who does not fit"):
        read([{**whole, "who": "me"}])


def test_an_exception_names_one_resource_and_each_once():
    whole = excused()[RULE]["exceptions"][0]
    with pytest.raises(ValueError, match="name one resource"):
        read([{**whole, "resource": " "}])
    with pytest.raises(ValueError, match=r"'until': '2027-01-31'.*each resource once"):
        read([whole, {**whole, "until": "2027-01-31"}])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"mwaa-dr-bucket-version": {}}, "no such rule; did you mean mwaa-dr-bucket-versioned?"),
        ({"xyz": "mandatory"}, "xyz: there is no such rule; docs/policies.md lists"),
        ({RULE: {"exception": []}}, f"{RULE}: the configuration key 'exception' is not known"),
        (excused(until="2027-02-30"), f"{RULE}: exceptions: dags: until '2027-02-30' is no day"),
    ],
)
def test_a_configuration_that_no_rule_takes_is_refused_before_anything_is_judged(config, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        check(config)


def test_what_the_engine_itself_reads_is_no_fault_of_a_configuration():
    check(
        {"all": "advisory", RULE: {"enforcementLevel": "mandatory"}, "mwaa-dr-key-kept": "disabled"}
    )
    check(excused())


def test_an_exception_also_closes_what_could_not_be_decided():
    config = {"mwaa-dr-bucket-replicated": excused()[RULE]}
    _, undecided = judge(dr(), config=config)
    assert [text.split(":")[0] for text in undecided["mwaa-dr-bucket-replicated"]] == ["backups"]


def ledger(*used, until="2026-12-31"):
    made = Ledger()
    made.declare(RULE, read(excused(until=until)[RULE]["exceptions"]))
    for resource in used:
        made.use(RULE, resource)
    return made


def test_an_exception_that_nothing_needs_is_named():
    [remark] = ledger().remarks(TODAY)
    assert remark == f"{RULE} has an exception for dags that nothing needs"
    assert list(ledger("dags").remarks(TODAY)) == []


@pytest.mark.parametrize(("until", "announced"), [("2026-11-15", True), ("2026-11-16", False)])
def test_the_end_of_an_exception_is_announced_two_weeks_ahead(until, announced):
    remarks = list(ledger("dags", until=until).remarks(TODAY))
    assert bool(remarks) is announced
    if announced:
        assert "ends on 2026-11-15, in 14 days" in remarks[0]
