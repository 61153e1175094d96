import time

import pytest
from botocore.exceptions import ClientError

from tests.gateway.conftest import EAST, ROLE, WEST, eventually

pytestmark = pytest.mark.engine


def rule(destination, *, name="all", prefix="", priority=1, markers="Enabled", **more):
    target = {"Bucket": f"arn:aws:s3:::{destination}", **more.pop("Destination", {})}
    return {
        "ID": name,
        "Priority": priority,
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "DeleteMarkerReplication": {"Status": markers},
        "Destination": target,
        **more,
    }


def replicate(aws, bucket, region, *rules):
    aws.client("s3", region).put_bucket_replication(
        Bucket=bucket, ReplicationConfiguration={"Role": ROLE, "Rules": list(rules)}
    )


@pytest.fixture
def pair(aws):
    east, west = aws.bucket("east", EAST), aws.bucket("west", WEST)
    replicate(aws, east, EAST, rule(west))
    replicate(aws, west, WEST, rule(east))
    aws.control.set_replication_lag(0)
    return east, west


def versions(aws, bucket, region, key):
    listed = aws.client("s3", region).list_object_versions(Bucket=bucket, Prefix=key)
    return [item["VersionId"] for item in listed.get("Versions", [])]


def arrives(aws, bucket, region, key, version=None):
    def look():
        try:
            more = {"VersionId": version} if version else {}
            return aws.client("s3", region).get_object(Bucket=bucket, Key=key, **more)
        except ClientError:
            return None

    return eventually(look)


def status(aws, bucket, region, key):
    return aws.client("s3", region).head_object(Bucket=bucket, Key=key).get("ReplicationStatus")


def test_replica_keeps_version_metadata_tags_and_time(aws, pair):
    east, west = pair
    put = aws.client("s3").put_object(
        Bucket=east, Key="k", Body=b"body", Metadata={"m": "1"}, Tagging="t=1"
    )
    assert status(aws, east, EAST, "k") == "PENDING"
    replica = arrives(aws, west, WEST, "k")
    assert replica["Body"].read() == b"body"
    assert replica["VersionId"] == put["VersionId"]
    assert replica["Metadata"] == {"m": "1"}
    assert replica["ETag"] == put["ETag"]
    assert replica["ReplicationStatus"] == "REPLICA"
    tags = aws.client("s3", WEST).get_object_tagging(Bucket=west, Key="k")["TagSet"]
    assert tags == [{"Key": "t", "Value": "1"}]
    eventually(lambda: status(aws, east, EAST, "k") == "COMPLETED")
    source = aws.client("s3").head_object(Bucket=east, Key="k")
    assert replica["LastModified"] == source["LastModified"]


def test_both_directions_replicate_without_a_loop(aws, pair):
    east, west = pair
    aws.client("s3").put_object(Bucket=east, Key="from-east", Body=b"e")
    aws.client("s3", WEST).put_object(Bucket=west, Key="from-west", Body=b"w")
    arrives(aws, west, WEST, "from-east")
    arrives(aws, east, EAST, "from-west")
    time.sleep(0.8)
    for key in ("from-east", "from-west"):
        assert len(versions(aws, east, EAST, key)) == 1
        assert versions(aws, east, EAST, key) == versions(aws, west, WEST, key)


def test_delete_markers_follow_only_where_the_rule_says_so(aws):
    for markers, survives in (("Enabled", False), ("Disabled", True)):
        east, west = aws.bucket("east", EAST), aws.bucket("west", WEST)
        replicate(aws, east, EAST, rule(west, markers=markers))
        aws.client("s3").put_object(Bucket=east, Key="k", Body=b"1")
        arrives(aws, west, WEST, "k")
        aws.client("s3").delete_object(Bucket=east, Key="k")
        aws.client("s3").put_object(Bucket=east, Key="later", Body=b"1")
        arrives(aws, west, WEST, "later")
        listed = aws.client("s3", WEST).list_objects_v2(Bucket=west)["Contents"]
        assert ("k" in [item["Key"] for item in listed]) is survives
        markers_listed = [
            aws.client("s3", region).list_object_versions(Bucket=bucket).get("DeleteMarkers", [])
            for region, bucket in ((EAST, east), (WEST, west))
        ]
        if not survives:
            ids = [[marker["VersionId"] for marker in found] for found in markers_listed]
            assert ids[0] == ids[1]


def test_outage_stops_replication_and_all_versions_catch_up_in_order(aws, pair):
    east, west = pair
    aws.client("s3").put_object(Bucket=east, Key="k", Body=b"0")
    arrives(aws, west, WEST, "k")
    aws.control.begin_outage(WEST)
    written = [
        aws.client("s3").put_object(Bucket=east, Key="k", Body=str(n).encode())["VersionId"]
        for n in range(1, 4)
    ]
    time.sleep(1)
    assert aws.control.state()["replication"]["waiting"] == 3
    assert status(aws, east, EAST, "k") == "PENDING"
    aws.control.end_outage()
    assert arrives(aws, west, WEST, "k", written[-1])["Body"].read() == b"3"
    eventually(lambda: set(written) <= set(versions(aws, west, WEST, "k")))
    assert versions(aws, west, WEST, "k") == versions(aws, east, EAST, "k")
    assert aws.client("s3", WEST).get_object(Bucket=west, Key="k")["Body"].read() == b"3"


def test_nothing_leaves_a_lost_source_region(aws, pair):
    east, west = pair
    aws.control.set_replication_lag(0.6)
    aws.client("s3").put_object(Bucket=east, Key="late", Body=b"1")
    aws.control.begin_outage(EAST, services=["s3"])
    time.sleep(1.5)
    assert versions(aws, west, WEST, "late") == []
    aws.control.end_outage()
    arrives(aws, west, WEST, "late")


def test_lag_is_kept(aws, pair):
    east, west = pair
    aws.control.set_replication_lag(1.5)
    aws.client("s3").put_object(Bucket=east, Key="slow", Body=b"1")
    started = time.monotonic()
    time.sleep(0.7)
    assert versions(aws, west, WEST, "slow") == []
    arrives(aws, west, WEST, "slow")
    assert time.monotonic() - started > 1.2


def test_only_matching_prefixes_go_and_the_highest_priority_decides(aws):
    east, west = aws.bucket("east", EAST), aws.bucket("west", WEST)
    replicate(
        aws,
        east,
        EAST,
        rule(west, name="dags", prefix="dags/", priority=1),
        rule(
            west,
            name="cold",
            prefix="dags/old/",
            priority=2,
            Destination={"StorageClass": "STANDARD_IA"},
        ),
    )
    for key in ("other/x", "dags/a.py", "dags/old/b.py"):
        aws.client("s3").put_object(Bucket=east, Key=key, Body=b"1")
    assert "StorageClass" not in arrives(aws, west, WEST, "dags/a.py")
    assert arrives(aws, west, WEST, "dags/old/b.py")["StorageClass"] == "STANDARD_IA"
    assert versions(aws, west, WEST, "other/x") == []


def test_multipart_uploads_and_copies_are_replicated(aws, pair):
    east, west = pair
    s3 = aws.client("s3")
    upload = s3.create_multipart_upload(Bucket=east, Key="big", Metadata={"kind": "big"})
    parts = []
    for number, body in ((1, b"a" * (5 << 20)), (2, b"b")):
        etag = s3.upload_part(
            Bucket=east, Key="big", UploadId=upload["UploadId"], PartNumber=number, Body=body
        )["ETag"]
        parts.append({"ETag": etag, "PartNumber": number})
    s3.complete_multipart_upload(
        Bucket=east, Key="big", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )
    replica = arrives(aws, west, WEST, "big")
    assert len(replica["Body"].read()) == (5 << 20) + 1
    assert replica["Metadata"] == {"kind": "big"}
    s3.copy_object(Bucket=east, Key="copied", CopySource={"Bucket": east, "Key": "big"})
    arrives(aws, west, WEST, "copied")


def test_objects_under_a_key_need_a_rule_that_says_so_and_get_the_other_regions_key(aws):
    keys = {
        region: aws.client("kms", region).create_key()["KeyMetadata"]["Arn"]
        for region in (EAST, WEST)
    }
    east, west = aws.bucket("east", EAST), aws.bucket("west", WEST)
    sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": keys[EAST]}
    replicate(aws, east, EAST, rule(west))
    aws.client("s3").put_object(Bucket=east, Key="left", Body=b"1", **sealed)
    aws.client("s3").put_object(Bucket=east, Key="plain", Body=b"1")
    arrives(aws, west, WEST, "plain")
    assert versions(aws, west, WEST, "left") == []
    assert status(aws, east, EAST, "left") is None
    replicate(
        aws,
        east,
        EAST,
        rule(
            west,
            SourceSelectionCriteria={"SseKmsEncryptedObjects": {"Status": "Enabled"}},
            Destination={"EncryptionConfiguration": {"ReplicaKmsKeyID": keys[WEST]}},
        ),
    )
    aws.client("s3").put_object(Bucket=east, Key="sealed", Body=b"1", **sealed)
    assert arrives(aws, west, WEST, "sealed")["SSEKMSKeyId"] == keys[WEST]


def test_configuration_is_given_back_as_it_was_put(aws):
    east, west = aws.bucket("east", EAST), aws.bucket("west", WEST)
    key = aws.client("kms", WEST).create_key()["KeyMetadata"]["Arn"]
    put = [
        rule(
            west,
            name="a",
            prefix="dags/",
            priority=7,
            SourceSelectionCriteria={
                "SseKmsEncryptedObjects": {"Status": "Enabled"},
                "ReplicaModifications": {"Status": "Enabled"},
            },
            Destination={
                "EncryptionConfiguration": {"ReplicaKmsKeyID": key},
                "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
                "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
            },
        ),
        rule(west, name="b", priority=2, markers="Disabled"),
    ]
    replicate(aws, east, EAST, *put)
    got = aws.client("s3").get_bucket_replication(Bucket=east)["ReplicationConfiguration"]
    assert got == {"Role": ROLE, "Rules": put}


@pytest.mark.parametrize("missing", ["Priority", "DeleteMarkerReplication", "bucket"])
def test_incomplete_configuration_is_refused(aws, missing):
    east, west = aws.bucket("east", EAST), aws.bucket("west", WEST)
    broken = rule("nobody-has-this" if missing == "bucket" else west)
    broken.pop(missing, None)
    with pytest.raises(ClientError, match="InvalidRequest"):
        replicate(aws, east, EAST, broken)


def test_destination_that_vanished_fails_the_object_and_nothing_else(aws, pair):
    east, west = pair
    aws.client("s3", WEST).delete_bucket(Bucket=west)
    aws.client("s3").put_object(Bucket=east, Key="k", Body=b"1")
    eventually(lambda: status(aws, east, EAST, "k") == "FAILED")


def test_replica_key_that_does_not_exist_fails_the_copy_not_the_configuration(aws):
    east, west = aws.bucket("east", EAST), aws.bucket("west", WEST)
    missing = f"arn:aws:kms:{WEST}:123456789012:key/00000000-0000-0000-0000-000000000000"
    replicate(
        aws,
        east,
        EAST,
        rule(west, Destination={"EncryptionConfiguration": {"ReplicaKmsKeyID": missing}}),
    )
    aws.client("s3").put_object(Bucket=east, Key="k", Body=b"1")
    eventually(lambda: status(aws, east, EAST, "k") == "FAILED")
    assert versions(aws, west, WEST, "k") == []


def test_key_of_another_region_is_refused_at_once(aws):
    bucket = aws.bucket("west", WEST)
    arn = aws.client("kms", EAST).create_key()["KeyMetadata"]["Arn"]
    with pytest.raises(ClientError, match=r"KMS\.NotFoundException"):
        aws.client("s3", WEST).put_object(
            Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=arn
        )


def test_tls_only_policy_does_not_close_a_bucket(aws):
    bucket = aws.bucket("policy", EAST)
    aws.client("s3").put_bucket_policy(
        Bucket=bucket,
        Policy='{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", '
        f'"Resource": "arn:aws:s3:::{bucket}/*", '
        '"Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}',
    )
    aws.client("s3").put_object(Bucket=bucket, Key="k", Body=b"1")
    assert aws.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
