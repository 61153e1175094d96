"""Uploads the recovery DAGs, the user's DAGs and the environment's other files to a DAG bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.environment import CodeFile
from components.files import (
    IGNORE,
    extra_files,
    ignore_text,
    recovery_files,
    shown,
    user_files,
)
from contract.keys import RECOVERY_DAGS


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeArgs:
    """Where to upload.

    Args:
        place: the site.
        bucket: its DAG bucket.
        users: whether the user's DAGs too, or only what is not a DAG of the user's.
        kept: whether the objects stay when they are not uploaded any more.
        after: replication, since S3 copies only what is written after it was set up.
    """

    place: Place
    bucket: pulumi.Input[str]
    users: bool = True
    kept: bool = False
    after: Sequence[pulumi.Resource] = ()


class DagCode(Component):
    """One object per file.

    Produces these resources: s3.BucketObjectv2.
    """

    extra: dict[str, CodeFile]

    def __init__(
        self, name: str, args: CodeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        self._name, self._args = name, args
        code = args.place.settings.code
        recovery = recovery_files()
        users = user_files(code) if args.users else {}
        for key, path in {**recovery, **users}.items():
            self._upload(key, path)
        self._object(f"{RECOVERY_DAGS}{IGNORE}", pulumi.StringAsset(ignore_text(recovery)))
        self.extra = {
            part: CodeFile(key, self._upload(key, path).version_id)
            for part, (key, path) in extra_files(code).items()
        }
        self.register_outputs({})

    def _upload(self, key: str, path: Path) -> aws.s3.BucketObjectv2:
        return self._object(key, pulumi.FileAsset(shown(path)))

    def _object(self, key: str, source: pulumi.Asset) -> aws.s3.BucketObjectv2:
        return aws.s3.BucketObjectv2(
            f"{self._name}-{key}",
            region=self._args.place.region,
            bucket=self._args.bucket,
            key=key,
            source=source,
            opts=self.child(
                depends_on=list(self._args.after), retain_on_delete=self._args.kept or None
            ),
        )
