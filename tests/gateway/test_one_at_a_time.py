"""Many callers at once: moto's dictionaries bear one thread only, AWS bears all of them."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.conftest import document

pytestmark = pytest.mark.engine

CALLERS = 8


def test_roles_are_made_side_by_side(aws):
    iam, run = aws.client("iam"), uuid.uuid4().hex[:6]
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}

    def make(caller):
        for number in range(40):
            name = f"many-{run}-{caller}-{number}"
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=document())
            iam.put_role_policy(
                RoleName=name, PolicyName="access", PolicyDocument=document(statement)
            )
            assert iam.get_role(RoleName=name)["Role"]["RoleName"] == name

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(make, range(CALLERS)))


def test_one_of_many_conditional_writes_wins(aws):
    dynamodb, table = aws.client("dynamodb"), f"t-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def won(number, caller):
        item = {"pk": {"S": f"lock-{number}"}, "owner": {"N": str(caller)}}
        try:
            dynamodb.put_item(
                TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)"
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(CALLERS) as pool:
        for number in range(40):
            assert sum(pool.map(won, [number] * CALLERS, range(CALLERS))) == 1
