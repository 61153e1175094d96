"""On stage a function has its role's permissions: what the other tests rest on."""

import pytest
from botocore.exceptions import ClientError

from contract import keys
from contract.sites import Site
from handlers.adapters.answers import AWS_ERRORS
from tests.handlers.installation import CONFIG, NAMES
from tests.handlers.permissions import ALLOWED, as_role_of

DR = CONFIG.dr.region


def acting(installation, step):
    return as_role_of(step, installation.runtime)


@pytest.mark.parametrize(
    ("step", "call", "action"),
    [
        ("order-status", lambda own: own.notices.sns.publish(
            TopicArn=CONFIG.topic_arn, Message="x"), "sns:Publish"),
        ("choose-backup", lambda own: own.backups().create("control/x", "x"), "s3:PutObject"),
        ("record", lambda own: own.backups().read(keys.OWNERSHIP), "s3:GetObject"),
        ("record", lambda own: own.backups().keys("backups/"), "s3:ListBucket"),
        ("approval", lambda own: own.clients.mwaa(DR).get_environment(
            Name=CONFIG.dr.environment), "airflow:GetEnvironment"),
    ],
)  # fmt: skip
def test_what_the_role_may_not_do_is_refused(installation, step, call, action):
    with pytest.raises(AWS_ERRORS, match=f"{step} may not do {action}") as caught:
        call(acting(installation, step))
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_key_is_asked_for_where_data_is_encrypted(installation):
    assert acting(installation, "approval").state.get("nothing") is None
    assert {("approval", "dynamodb:GetItem"), ("approval", "kms:Decrypt")} <= ALLOWED


def test_the_primary_s_key_is_only_used_where_the_grant_says_so(installation):
    acting(installation, "send-order").backups(Site.PRIMARY).client.put_object(
        Bucket=NAMES.backup_bucket(Site.PRIMARY), Key="control/x", Body=b""
    )
    with pytest.raises(ClientError, match="s3:PutObject"):
        acting(installation, "capture").backups(Site.PRIMARY).client.put_object(
            Bucket=NAMES.backup_bucket(Site.PRIMARY), Key="control/x", Body=b""
        )
