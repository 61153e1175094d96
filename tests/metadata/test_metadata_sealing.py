"""A data key opens for its own backup only, in either Region."""

import json

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from moto.kms import utils

from mwaa_dr_metadata.errors import BackupRefusedError, SealUnavailableError
from mwaa_dr_metadata.sealing import FileSealer, KmsSealer, context_of

MADE_IN, REPLICA_IN = "us-west-2", "us-east-1"
CONTEXT = context_of("data", "20240501T000000000000Z")


@pytest.fixture(scope="module")
def kms():
    """A multi-Region key, made in one Region and replicated to the other."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        # moto gives such keys an id of 40 characters, for which its own ciphertext has no room.
        patch.setattr(utils, "HEADER_LEN", utils.HEADER_LEN + len("mrk-"))
        patch.setattr(utils, "CIPHERTEXT_HEADER_FORMAT", ">40s12s16s")
        with mock_aws():
            client = boto3.client("kms", region_name=MADE_IN)
            key = client.create_key(MultiRegion=True)["KeyMetadata"]
            client.replicate_key(KeyId=key["KeyId"], ReplicaRegion=REPLICA_IN)
            yield key["Arn"], KmsSealer(key["Arn"], MADE_IN)


@pytest.fixture(params=["file", "kms"])
def sealer(request, tmp_path):
    if request.param == "file":
        return FileSealer.create(tmp_path / "key")
    return request.getfixturevalue("kms")[1]


def test_a_data_key_opens_in_its_context(sealer):
    key = sealer.new_key(CONTEXT)
    assert len(key.plaintext) == 32
    assert sealer.open(key.seal, CONTEXT) == key.plaintext
    assert sealer.new_key(CONTEXT).plaintext != key.plaintext


def test_a_data_key_is_not_shown(sealer):
    key = sealer.new_key(CONTEXT)
    assert repr(key.plaintext) not in repr(key)
    assert set(key.seal) == {"key_id", "ciphertext"}
    json.dumps(key.seal)


def test_a_data_key_does_not_open_for_another_backup(sealer):
    key = sealer.new_key(CONTEXT)
    with pytest.raises(BackupRefusedError):
        sealer.open(key.seal, context_of("data", "20240501T000000000001Z"))


@pytest.mark.parametrize("ciphertext", [None, "%%%", "AAAA"])
def test_a_spoilt_seal_is_the_backups_fault(sealer, ciphertext):
    seal = {"key_id": "k"} if ciphertext is None else {"key_id": "k", "ciphertext": ciphertext}
    with pytest.raises(BackupRefusedError):
        sealer.open(seal, CONTEXT)


def test_sealed_in_one_region_opens_in_the_other(kms):
    arn, sealer = kms
    sealed = KmsSealer(arn.replace(MADE_IN, REPLICA_IN), REPLICA_IN).new_key(CONTEXT)
    assert sealer.open(sealed.seal, CONTEXT) == sealed.plaintext


def test_a_key_service_that_does_not_answer_is_not_the_backups_fault(kms, monkeypatch):
    sealer = kms[1]
    key = sealer.new_key(CONTEXT)

    def hang(*_args, **_kwargs):
        raise EndpointConnectionError(endpoint_url="https://kms")

    monkeypatch.setattr(sealer._client, "_make_api_call", hang)
    with pytest.raises(SealUnavailableError):
        sealer.open(key.seal, CONTEXT)
    with pytest.raises(SealUnavailableError):
        sealer.new_key(CONTEXT)


def test_a_key_file_is_private_and_never_overwritten(tmp_path):
    path = tmp_path / "key"
    FileSealer.create(path)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        FileSealer.create(path)


def test_something_else_is_not_taken_for_a_key_file(tmp_path):
    (tmp_path / "key").write_text("hello")
    with pytest.raises(ValueError, match="not a sealing key"):
        FileSealer(tmp_path / "key")
