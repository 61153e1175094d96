"""Both storages behave the same: whole objects or none, and never the same name twice."""

import copy
import itertools

import pytest
from moto import mock_aws

from mwaa_dr_metadata import storage as module
from mwaa_dr_metadata.storage import FileStorage, S3Storage, get, storage_from_uri

REGION = "us-west-2"
BUCKET = "backups"


NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def bucket():
    """One client for all: making one takes longer than a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        with mock_aws():
            storage = S3Storage(BUCKET, REGION)
            storage._client.create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            yield storage


@pytest.fixture(params=["file", "s3"])
def storage(request, tmp_path):
    if request.param == "file":
        return FileStorage(tmp_path)
    storage = copy.copy(request.getfixturevalue("bucket"))
    storage._prefix = f"deep/{next(NUMBERS)}/"
    return storage


def test_small_and_empty_objects_come_back(storage):
    storage.put("a/b.json", b"{}")
    storage.put("a/empty", b"")
    assert get(storage, "a/b.json") == b"{}"
    assert get(storage, "a/empty") == b""
    assert list(storage.list("a/")) == [("a/b.json", 2), ("a/empty", 0)]


@pytest.mark.parametrize("size", [0, 1, 5 << 20, 2 * (5 << 20), 2 * (5 << 20) + 1])
def test_streamed_objects_come_back_at_part_edges(storage, monkeypatch, size):
    monkeypatch.setattr(module, "PART", 5 << 20)
    data = b"0123456789abcdef" * (size // 16) + b"x" * (size % 16)
    with storage.create("big") as writer:
        for start in range(0, size, 1 << 20):
            writer.write(data[start : start + (1 << 20)])
    assert list(storage.list("big")) == [("big", size)]
    assert get(storage, "big") == data


@pytest.mark.parametrize("size", [10, 9 << 20])
def test_nothing_is_left_of_an_object_that_failed_on_the_way(storage, size):
    def fail() -> None:
        with storage.create("a/half") as writer:
            writer.write(b"x" * size)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert list(storage.list("")) == []
    if isinstance(storage, S3Storage):
        uploads = storage._client.list_multipart_uploads(Bucket=BUCKET)
        assert "Uploads" not in uploads


@pytest.mark.parametrize("size", [10, 9 << 20])
def test_an_object_is_never_overwritten(storage, size):
    storage.put("a/one", b"first")
    with pytest.raises(FileExistsError):
        storage.put("a/one", b"second")
    with pytest.raises(FileExistsError), storage.create("a/one") as writer:
        writer.write(b"x" * size)
    assert get(storage, "a/one") == b"first"


def test_what_is_missing_is_said_to_be_missing(storage):
    with pytest.raises(FileNotFoundError):
        get(storage, "nothing")


def test_keys_are_listed_by_prefix_in_order(storage):
    for key in ("a/2", "a/10", "b/1", "a/1/x"):
        storage.put(key, b"")
    assert [key for key, _ in storage.list("a/")] == ["a/1/x", "a/10", "a/2"]


def test_a_key_cannot_leave_the_folder(tmp_path):
    with pytest.raises(ValueError, match="leaves the storage"):
        FileStorage(tmp_path / "in").put("../out", b"")


def test_a_put_whose_answer_was_lost_is_not_an_error(bucket):
    bucket.put("lost", b"same")
    bucket.put("lost", b"same")
    assert get(bucket, "lost") == b"same"


def test_uris_name_their_storage(tmp_path):
    assert isinstance(storage_from_uri("s3://bucket/prefix/", REGION), S3Storage)
    assert isinstance(storage_from_uri(tmp_path.as_uri()), FileStorage)
    for uri in ("bucket/prefix", "s3://", "file://host/x", "https://x/y"):
        with pytest.raises(ValueError, match="use s3://bucket/prefix or file:///folder"):
            storage_from_uri(uri, REGION)
    with pytest.raises(ValueError, match="Region"):
        storage_from_uri("s3://bucket/prefix")


def test_deleted_objects_are_gone_and_the_others_are_not(storage):
    for key in ("a/1/x", "a/1/y", "a/2", "b"):
        storage.put(key, b"data")
    storage.delete(["a/1/x", "a/2", "never/was"])
    assert [key for key, _ in storage.list("")] == ["a/1/y", "b"]
    storage.delete(["a/1/y", "b"])
    storage.put("b", b"again")
    assert [key for key, _ in storage.list("")] == ["b"]


def test_more_objects_than_one_request_takes_are_deleted(storage, monkeypatch):
    monkeypatch.setattr(module, "DELETED_AT_ONCE", 3)
    names = [f"n/{number}" for number in range(7)]
    for name in names:
        storage.put(name, b"")
    storage.delete(names)
    assert list(storage.list("")) == []


def test_a_deletion_in_a_bucket_with_versions_can_be_taken_back(bucket):
    bucket._client.put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
    )
    bucket.put("versioned/one", b"data")
    bucket.delete(["versioned/one"])
    found = bucket._client.list_object_versions(Bucket=BUCKET, Prefix="versioned/")
    assert [marker["IsLatest"] for marker in found["DeleteMarkers"]] == [True]
    assert [version["Size"] for version in found["Versions"]] == [4]


def test_a_deletion_that_s3_refuses_is_an_error(bucket, monkeypatch):
    answer = {"Errors": [{"Key": "kept", "Code": "AccessDenied", "Message": "not allowed"}]}
    monkeypatch.setattr(bucket._client, "delete_objects", lambda **_: answer)
    with pytest.raises(PermissionError, match="kept was not deleted: not allowed"):
        bucket.delete(["kept"])


def test_no_folder_is_left_behind(tmp_path):
    storage = FileStorage(tmp_path)
    storage.put("a/b/c", b"")
    storage.put("a/d", b"")
    storage.delete(["a/b/c"])
    assert not (tmp_path / "a" / "b").exists()
    storage.delete(["a/d"])
    assert list(tmp_path.iterdir()) == []
