"""The page of the rules says what the rules say."""

from contract.functions import Grant
from mwaa_dr_policy import RULES
from mwaa_dr_policy.document import PAGE, render
from mwaa_dr_policy.roles import GRANTED


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == render(), "run `python -m mwaa_dr_policy.document` in policy/"


def test_rules_have_unique_names_of_one_form_and_say_why_and_how():
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    for rule in RULES:
        assert rule.name.startswith("mwaa-dr-")
        assert len(rule.name.split("-")) >= 4
        assert all(text.endswith(".") for text in (rule.description, rule.why, rule.remedy))


def test_every_grant_of_the_contract_has_its_actions():
    assert set(GRANTED) == set(Grant)
