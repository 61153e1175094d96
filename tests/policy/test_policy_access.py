"""Policy documents: what is too wide, what is bounded, and where documents are found."""

import pytest
from policy_breaks import allow, policy
from policy_judge import Program, judge, violated
from policy_programs import dr, primary

from mwaa_dr_policy import kinds as k

BY_ALIAS = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/x"}}
BOTH = {"mwaa-dr-policy-pass-role", "mwaa-dr-policy-wildcard-writes"}


@pytest.mark.parametrize(
    "document",
    [
        "{",
        policy(allow("*", "*")),
        policy(allow("iam:Pass*", "*")),
        policy({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}),
    ],
)
def test_a_document_may_break_both_rules(document):
    assert violated(primary().set("other-policy", "policy", document)) == BOTH


@pytest.mark.parametrize(
    "statement",
    [
        allow("s3:*", "arn:aws:s3:::demo/*"),
        allow(["cloudwatch:PutMetricData", "ec2:CreateNetworkInterface"], "*"),
        allow(["ec2:Describe*", "s3:Get*", "kms:GenerateDataKey*"], "*"),
        allow("kms:*", "arn:aws:kms:us-west-2:1:key/*", Condition=BY_ALIAS),
        allow("iam:PassRole", "arn:aws:iam::1:role/demo-*"),
        {"Effect": "Deny", "Action": "*", "Resource": "*"},
    ],
)
def test_bounded_statements_are_accepted(statement):
    program = primary().set("other-policy", "policy", policy(statement))
    assert violated(program) == set()


def test_inline_policies_of_a_role_are_read():
    program = dr()
    inline = [{"name": "a", "policy": policy(allow("iam:PassRole", "*"))}]
    program.add("role", k.ROLE, {"name": "r", "inlinePolicies": inline})
    assert violated(program) == {"mwaa-dr-policy-pass-role"}


def test_administrator_access_is_refused_on_a_role_and_as_an_attachment():
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    program = dr()
    program.add("role", k.ROLE, {"name": "r", "managedPolicyArns": [arn]})
    assert violated(program) == {"mwaa-dr-policy-wildcard-writes"}
    program = dr()
    program.add("attachment", k.ATTACHMENTS[0], {"role": "r", "policyArn": arn})
    assert violated(program) == {"mwaa-dr-policy-wildcard-writes"}


def test_a_program_without_mwaa_and_recovery_breaks_nothing():
    program = Program()
    program.add("bucket", k.BUCKET, {"bucket": "b", "tags": {}})
    assert judge(program) == ({}, {})
