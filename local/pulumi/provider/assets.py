"""The content of Pulumi assets and archives."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

from local.pulumi.provider.wire import ASSET, SIGNATURE

FIXED_TIME = (1980, 1, 1, 0, 0, 0)
"""The oldest time a zip file can carry: the same files always give the same bytes."""


def asset_bytes(asset: dict[str, Any]) -> bytes:
    """The content of a file or text asset, or an archive as a zip file.

    Raises:
        ValueError: it is on the network, which the local AWS does not reach.
        FileNotFoundError: its file is missing.
    """
    if asset.get("uri"):
        raise ValueError(f"an asset at {asset['uri']} cannot be read; use a file")
    if "text" in asset:
        return asset["text"].encode()
    if asset[SIGNATURE] == ASSET:
        return Path(asset["path"]).read_bytes()
    path = Path(asset.get("path") or ".")
    if "assets" not in asset and path.is_file():
        return path.read_bytes()
    return _zip(asset)


def _zip(archive: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in sorted(_files("", archive).items()):
            info = zipfile.ZipInfo(name, FIXED_TIME)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, content)
    return buffer.getvalue()


def _files(name: str, asset: dict[str, Any]) -> dict[str, bytes]:
    if "assets" in asset:
        files: dict[str, bytes] = {}
        for member, inner in asset["assets"].items():
            files |= _files(os.path.normpath(Path(name) / member), inner)
        return files
    if asset[SIGNATURE] == ASSET:
        return {name: asset_bytes(asset)}
    path = Path(asset["path"])
    if path.is_dir():
        return {
            os.path.normpath(Path(name) / file.relative_to(path)): file.read_bytes()
            for file in path.rglob("*")
            if file.is_file()
        }
    with zipfile.ZipFile(path) as source:
        return {
            os.path.normpath(Path(name) / member): source.read(member)
            for member in source.namelist()
            if not member.endswith("/")
        }
