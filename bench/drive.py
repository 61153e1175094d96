"""Runs the metadata engine once, in Airflow's Python: `python -m bench.drive '{"do": ...}'`.

It prints what was measured as JSON on its last line. What the engine cannot do yet is named there
as `missing`.
"""

import dataclasses
import inspect
import json
import sys
import time
from pathlib import Path
from typing import Any

from contract import keys
from contract.manifest import BackupKind
from contract.sites import Site
from mwaa_dr_metadata import (
    BackupIdentity,
    FileSealer,
    FileStorage,
    ImportOptions,
    Phase,
    export_backup,
    import_backup,
)
from mwaa_dr_metadata.database import engine_from_url, fernet_from_keys

IDENTITY = BackupIdentity("bench", Site.PRIMARY, 1, "bench-primary", "2.10.3")


def perform(order: dict[str, Any]) -> dict[str, Any]:
    """Export or import as ordered.

    `do` is `export` or `import`; `url`, `key` (Fernet) and `folder` (the backups) always; `kind`
    forces an export's kind; `backup`, `phase` and `bulk` belong to an import.
    """
    folder = Path(order["folder"])
    storage, seal = FileStorage(folder / "backups"), folder / "seal.key"
    sealer = FileSealer(seal) if seal.exists() else FileSealer.create(seal)
    engine, fernet = engine_from_url(order["url"]), fernet_from_keys(order["key"])
    if order["do"] == "export":
        extra: dict[str, Any] = {}
        if order.get("kind", "base") != "base" and not _accepts(export_backup, "kind"):
            return {"missing": "export_backup makes no incremental backups yet"}
        if _accepts(export_backup, "kind"):
            extra["kind"] = BackupKind(order.get("kind", "base"))
        began = time.time()
        manifest = export_backup(engine, storage, sealer, fernet, IDENTITY, **extra)
        ended = time.time()
        return {
            "began": began,
            "seconds": ended - began,
            "backup": keys.manifest(IDENTITY.site, IDENTITY.epoch, manifest.backup_id),
            "kind": str(manifest.kind),
            "bytes": sum(item.size for item in manifest.objects),
        }
    options: dict[str, Any] = {"phase": Phase(order.get("phase", "all"))}
    if order.get("bulk"):
        if "bulk" not in {field.name for field in dataclasses.fields(ImportOptions)}:
            return {"missing": "import_backup has no bulk mode yet"}
        options["bulk"] = True
    began = time.time()
    import_backup(engine, storage, sealer, fernet, order["backup"], ImportOptions(**options))
    ended = time.time()
    return {"began": began, "seconds": ended - began}


def _accepts(function: Any, name: str) -> bool:  # noqa: ANN401
    return name in inspect.signature(function).parameters


def main() -> None:
    sys.stdout.write(json.dumps(perform(json.loads(sys.argv[1]))) + "\n")


if __name__ == "__main__":
    main()
