"""Runs the metadata engine once, in Airflow's Python: `python -m bench.drive '{"do": ...}'`.

It prints what was measured as JSON on its last line.
"""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from contract import keys
from contract.manifest import BackupKind
from contract.sites import Site
from mwaa_dr_metadata import (
    BackupIdentity,
    ExportOptions,
    FileSealer,
    FileStorage,
    ImportOptions,
    Phase,
    export_backup,
    import_backup,
)
from mwaa_dr_metadata.backups import newest
from mwaa_dr_metadata.database import engine_from_url, fernet_from_keys
from mwaa_dr_metadata.model import ImportMode

IDENTITY = BackupIdentity("bench", Site.PRIMARY, 1, "bench-primary", "2.10.3")
RECENT = timedelta(days=1)


def perform(order: dict[str, Any]) -> dict[str, Any]:
    """Export or import as ordered.

    `do` is `export` or `import`; `url`, `key` (Fernet) and `folder` (the backups) always. An
    export's `kind` is `base` or `incremental`; an import has `backup`, `phase` and `mode`.
    """
    return (_export if order["do"] == "export" else _import)(order)


def _export(order: dict[str, Any]) -> dict[str, Any]:
    storage, sealer = _vault(order)
    began = time.time()
    kind = BackupKind(order["kind"])
    incremental = kind is BackupKind.INCREMENTAL
    parent = newest(storage, sealer, IDENTITY.site, IDENTITY.epoch, RECENT) if incremental else None
    manifest = export_backup(
        engine_from_url(order["url"]),
        storage,
        sealer,
        fernet_from_keys(order["key"]),
        IDENTITY,
        ExportOptions(parent=parent, kind=kind),
    )
    ended = time.time()
    return {
        "began": began,
        "seconds": ended - began,
        "backup": keys.manifest(IDENTITY.site, IDENTITY.epoch, manifest.backup_id),
        "kind": manifest.kind.value,
        "bytes": sum(item.size for item in manifest.objects),
    }


def _import(order: dict[str, Any]) -> dict[str, Any]:
    storage, sealer = _vault(order)
    began = time.time()
    import_backup(
        engine_from_url(order["url"]),
        storage,
        sealer,
        fernet_from_keys(order["key"]),
        order["backup"],
        ImportOptions(
            phase=Phase(order.get("phase", "all")),
            mode=ImportMode(order.get("mode", "restore")),
        ),
    )
    ended = time.time()
    return {"began": began, "seconds": ended - began}


def _vault(order: dict[str, Any]) -> tuple[FileStorage, FileSealer]:
    folder = Path(order["folder"])
    seal = folder / "seal.key"
    sealer = FileSealer(seal) if seal.exists() else FileSealer.create(seal)
    return FileStorage(folder / "backups"), sealer


def main() -> None:
    sys.stdout.write(json.dumps(perform(json.loads(sys.argv[1]))) + "\n")


if __name__ == "__main__":
    main()
