"""Finds out where a request belongs: its Region, its service and, where cheap, its operation."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

_CREDENTIAL = re.compile(
    r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
)
GLOBAL_SERVICES = {
    "iam": "us-east-1",
    "route53": "us-east-1",
    "cloudfront": "us-east-1",
    "organizations": "us-east-1",
    "health": "us-east-1",
    "globalaccelerator": "us-west-2",
}
"""Services with one control plane, in this Region, whatever Region the client was made for."""

FORM = "application/x-www-form-urlencoded"
_MAX_FORM = 1 << 20


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a request belongs.

    Args:
        regions: every Region that must work for it: the one it is signed for first.
        service: signing name; None for unsigned requests.
        operation: API operation where it can be told cheaply, else method and path.
    """

    regions: tuple[str, ...]
    service: str | None
    operation: str

    @property
    def region(self) -> str | None:
        """The Region that does the work: for S3 the bucket's."""
        return self.regions[-1] if self.regions else None


def _bucket_of(path: str) -> str | None:
    return path.lstrip("/").split("/", 1)[0] or None


def _credential(environ: dict[str, Any]) -> re.Match[str] | None:
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if match is None and "X-Amz-Credential" in environ.get("QUERY_STRING", ""):
        match = _CREDENTIAL.search(
            "Credential=" + parse_qs(environ["QUERY_STRING"])["X-Amz-Credential"][0]
        )
    return match


def access_key(environ: dict[str, Any]) -> str | None:
    """The access key that a request is signed with; None for unsigned requests."""
    match = _credential(environ)
    return match["key"] if match else None


def read(environ: dict[str, Any], bucket_region: Callable[[str], str | None]) -> Scope:
    """The scope of a WSGI request.

    Args:
        environ: the request; its body is replaced by a copy when it had to be read.
        bucket_region: the Region of an existing bucket.
    """
    match = _credential(environ)
    operation = _operation(environ)
    if match is None:
        return Scope((), None, operation)
    service = match["service"].lower()
    region = GLOBAL_SERVICES.get(service, match["region"])
    regions = [region]
    if service == "s3":
        buckets = [_bucket_of(environ.get("PATH_INFO", ""))]
        source = environ.get("HTTP_X_AMZ_COPY_SOURCE")
        if source:
            buckets.insert(0, _bucket_of(unquote(source)))
        found = [bucket_region(bucket) for bucket in buckets if bucket]
        regions += [place for place in found if place and place not in regions]
        # The bucket's own Region last: that is where the work is done.
        if found and found[-1] in regions:
            regions.append(regions.pop(regions.index(found[-1])))
    return Scope(tuple(regions), service, operation)


def _operation(environ: dict[str, Any]) -> str:
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return target.rsplit(".", 1)[-1]
    if environ.get("CONTENT_TYPE", "").startswith(FORM):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if 0 < length <= _MAX_FORM:
            body = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = io.BytesIO(body)
            action = re.search(rb"(?:^|&)Action=([A-Za-z0-9]+)", body)
            if action:
                return action[1].decode()
    return f"{environ.get('REQUEST_METHOD', '')} {environ.get('PATH_INFO', '')}"
