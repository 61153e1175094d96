"""What several policies say together, as the IAM user guide's evaluation logic has it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.access.callers import Caller
from local.gateway.access.conditions import PolicyError
from local.gateway.access.policy import Ask, Policies, judge, parse

ACCOUNT = "123456789012"
ROLE = Caller(role=f"arn:aws:iam::{ACCOUNT}:role/worker")
ALARMS = Caller(service="cloudwatch.amazonaws.com")
THING = "arn:aws:s3:::bucket/a/b"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def policy(*statements):
    return parse(json.dumps({"Statement": list(statements)}), "own")


def allow(action="s3:GetObject", resource="arn:aws:s3:::bucket/*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(**more):
    return {**allow(**more), "Effect": "Deny"}


def said(policies, action="s3:GetObject", caller=ROLE, resource=THING, **context):
    ask = Ask(action, resource, {key.replace("_", ":"): (v,) for key, v in context.items()})
    return judge(ask, caller, policies, ACCOUNT)


def test_nothing_is_allowed_unless_a_policy_says_so():
    found = said(Policies())
    assert not found.allowed
    assert "no identity-based policy allows the s3:GetObject action" in found.reason


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (allow(), True),
        (allow(action="S3:getobject"), True),
        (allow(action=["s3:PutObject", "s3:Get*"]), True),
        (allow(action="s3:GetObjectVersion"), False),
        (allow(resource="arn:aws:s3:::bucket"), False),
        (allow(resource="arn:aws:s3:::bucket/A/*"), False),
        (allow(resource="*"), True),
        ({"Effect": "Allow", "NotAction": "s3:Delete*", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": ["s3:Get*"], "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::bucket/a/*"}, False),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}, True),
    ],
)
def test_one_statement(statement, allowed):
    assert said(Policies(identity=policy(statement))).allowed is allowed


def test_the_words_that_allowed_it_are_told():
    found = said(Policies(identity=policy(allow(action=["s3:PutObject", "s3:Get*"]))))
    assert [(use.policy, use.action, use.resource) for use in found.uses] == [
        ("own", "s3:Get*", "arn:aws:s3:::bucket/*")
    ]


@pytest.mark.parametrize("where", ["identity", "boundary", "resource"])
def test_a_deny_anywhere_wins(where):
    everywhere = {
        "identity": policy(allow()),
        "boundary": policy(allow()),
        "resource": policy(allow(Principal="*")),
    }
    assert said(Policies(**everywhere)).allowed
    closed = policy(allow(Principal="*"), deny(Principal="*"))
    found = said(Policies(**{**everywhere, where: closed}))
    assert not found.allowed
    assert "explicit deny in own" in found.reason


def test_a_boundary_allows_nothing_by_itself_and_limits_everything():
    both = Policies(identity=policy(allow()), boundary=policy(allow()))
    assert said(both).allowed
    assert not said(Policies(boundary=policy(allow()))).allowed
    limited = said(Policies(identity=policy(allow()), boundary=policy(allow(action="s3:List*"))))
    assert not limited.allowed
    assert "permissions boundary" in limited.reason


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": [ROLE.role]}, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}, False),
        ({"Service": "cloudwatch.amazonaws.com"}, False),
        (ROOT, False),
        ({"AWS": ACCOUNT}, False),
    ],
)
def test_a_resource_policy_lets_in_whom_it_names_but_not_the_whole_account(principal, allowed):
    own = policy(allow(Principal=principal))
    assert said(Policies(resource=own)).allowed is allowed


@pytest.mark.parametrize(
    ("principal", "identity", "allowed"),
    [
        (ROOT, True, True),
        (ROOT, False, False),
        ({"AWS": ROLE.role}, False, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}, True, False),
        ({"AWS": "arn:aws:iam::999999999999:root"}, True, False),
    ],
)
def test_a_key_s_own_policy_decides_whether_policies_of_roles_count(principal, identity, allowed):
    key = f"arn:aws:kms:us-west-2:{ACCOUNT}:key/1"
    found = said(
        Policies(
            identity=policy(allow("kms:Decrypt", key)) if identity else (),
            resource=policy(allow("kms:*", "*", Principal=principal)),
            resource_decides=True,
        ),
        action="kms:Decrypt",
        resource=key,
    )
    assert found.allowed is allowed


def test_a_service_needs_a_statement_of_its_own_with_its_conditions():
    topic = f"arn:aws:sns:us-west-2:{ACCOUNT}:alerts"
    own = policy(
        allow(
            "sns:Publish",
            topic,
            Principal={"Service": "cloudwatch.amazonaws.com"},
            Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        )
    )
    asked = {"action": "sns:Publish", "resource": topic}
    known = Policies(resource=own)
    assert said(known, caller=ALARMS, **asked, aws_sourceaccount=ACCOUNT).allowed
    assert not said(known, caller=ALARMS, **asked).allowed
    assert not said(known, caller=Caller(service="events.amazonaws.com"), **asked).allowed
    assert not said(Policies(resource=policy(allow("sns:Publish", topic, Principal=ROOT)))).allowed


def test_only_the_action_is_judged_where_no_resource_is_known():
    own = Policies(identity=policy(allow("glue:StartJobRun", "arn:aws:glue:*:*:job/x")))
    assert said(own, action="glue:StartJobRun", resource=None).allowed
    assert not said(own, action="glue:GetJob", resource=None).allowed


STATEMENTS = st.lists(
    st.sampled_from(
        [
            allow(),
            allow(action="s3:*", resource="*"),
            deny(action="s3:Put*"),
            deny(resource="arn:aws:s3:::bucket/secret/*"),
            allow(action="s3:PutObject"),
            allow(Condition={"Bool": {"aws:SecureTransport": "true"}}),
        ]
    ),
    max_size=6,
)


@given(statements=STATEMENTS, more=STATEMENTS, action=st.sampled_from(["s3:GetObject", "s3:Put"]))
def test_order_does_not_matter_and_a_further_deny_never_allows(statements, more, action):
    def outcome(*all_statements):
        return said(Policies(identity=policy(*all_statements)), action=action).allowed

    assert outcome(*statements) == outcome(*reversed(statements))
    denies = [one for one in more if one["Effect"] == "Deny"]
    assert outcome(*statements, *denies) <= outcome(*statements)
    grants = [one for one in more if one["Effect"] == "Allow"]
    assert outcome(*statements, *grants) >= outcome(*statements)


def test_an_element_that_cannot_be_judged_is_an_error():
    with pytest.raises(PolicyError, match=r"own: .*cannot judge NotPrincipal"):
        policy({**allow(), "NotPrincipal": {"AWS": "*"}})
