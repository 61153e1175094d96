import json

import pytest
from botocore.exceptions import ClientError

from tests.gateway.conftest import EAST, WEST

pytestmark = pytest.mark.engine
CONTEXT = {"backup": "b1"}


@pytest.fixture
def multi_region_key(aws):
    key = aws.client("kms", WEST).create_key(MultiRegion=True)["KeyMetadata"]
    aws.client("kms", WEST).replicate_key(
        KeyId=key["KeyId"], ReplicaRegion=EAST, Description="replica"
    )
    return key["KeyId"]


def test_data_key_of_one_region_is_opened_in_the_other(aws, multi_region_key):
    east, west = aws.client("kms", EAST), aws.client("kms", WEST)
    east.create_alias(AliasName=f"alias/{multi_region_key}", TargetKeyId=multi_region_key)
    made = east.generate_data_key(
        KeyId=f"alias/{multi_region_key}", KeySpec="AES_256", EncryptionContext=CONTEXT
    )
    opened = west.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == made["Plaintext"]
    assert opened["KeyId"].split(":")[3] == WEST


def test_other_context_does_not_open_it(aws, multi_region_key):
    blob = aws.client("kms", EAST).encrypt(
        KeyId=multi_region_key, Plaintext=b"x", EncryptionContext=CONTEXT
    )["CiphertextBlob"]
    with pytest.raises(ClientError, match="InvalidCiphertext"):
        aws.client("kms", WEST).decrypt(CiphertextBlob=blob, EncryptionContext={"backup": "b2"})


def test_replica_is_a_key_of_its_own(aws, multi_region_key):
    found = aws.client("kms", EAST).describe_key(KeyId=multi_region_key)["KeyMetadata"]
    assert found["Description"] == "replica"
    assert found["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    primary = aws.client("kms", WEST).describe_key(KeyId=multi_region_key)["KeyMetadata"]
    assert primary["MultiRegionConfiguration"]["MultiRegionKeyType"] == "PRIMARY"
    replicas = primary["MultiRegionConfiguration"]["ReplicaKeys"]
    assert [replica["Region"] for replica in replicas] == [EAST]
    aws.client("kms", EAST).disable_key(KeyId=multi_region_key)
    aws.client("kms", WEST).encrypt(KeyId=multi_region_key, Plaintext=b"still works")


def test_single_region_key_is_not_replicated(aws):
    key = aws.client("kms", WEST).create_key()["KeyMetadata"]["KeyId"]
    with pytest.raises(ClientError, match="UnsupportedOperation"):
        aws.client("kms", WEST).replicate_key(KeyId=key, ReplicaRegion=EAST)


def test_disabled_key_neither_encrypts_nor_decrypts(aws):
    kms = aws.client("kms", WEST)
    key = kms.create_key(Policy=json.dumps({"Statement": []}))["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key)
    for call in (
        lambda: kms.encrypt(KeyId=key, Plaintext=b"x"),
        lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256"),
        lambda: kms.decrypt(CiphertextBlob=blob),
    ):
        with pytest.raises(ClientError, match="DisabledException"):
            call()
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
