"""The metadata engine: backs up and restores what an Airflow environment knows.

It needs no Airflow around it: a task, the operator's command and a plugin can all host it. Table
rules are declarations (`rules`); columns always come from the live catalogue.

    engine = database.engine_from_env(os.environ)
    manifest = export_backup(engine, storage, sealer, fernet, identity)
    report = import_backup(engine, storage, sealer, fernet, manifest_key, ImportOptions())
    unpark(engine, storage, sealer, fernet, manifest_key, rule)    # at promotion, and then
    control.unpause(engine, load_oracle(storage, sealer, manifest_key))
"""

from mwaa_dr_metadata import control, database
from mwaa_dr_metadata.backups import (
    Backup,
    list_backups,
    load_manifest,
    load_oracle,
    newest,
    verify_backup,
)
from mwaa_dr_metadata.database import engine_from_env, fernet_from_env
from mwaa_dr_metadata.errors import (
    BackupRefusedError,
    DatabaseRefusedError,
    DatabaseSettingsError,
    ImportVerificationError,
    MassDeleteError,
    MetadataError,
    SealUnavailableError,
    TargetRefusedError,
)
from mwaa_dr_metadata.export import ExportOptions, export_backup
from mwaa_dr_metadata.forecast_model import Forecast
from mwaa_dr_metadata.forecasting import forecast
from mwaa_dr_metadata.foretelling import forecast_backup
from mwaa_dr_metadata.model import (
    BackupCheck,
    BackupIdentity,
    BackupInfo,
    DagCounts,
    Difference,
    ImportMode,
    ImportOptions,
    ImportReport,
    InterruptedRun,
    InterruptedTask,
    Phase,
    Progress,
    ProgressCallback,
    TableCheck,
    UnparkReport,
    UnpauseReport,
)
from mwaa_dr_metadata.oracle import compare_schedule
from mwaa_dr_metadata.restore import import_backup
from mwaa_dr_metadata.sealing import FileSealer, KmsSealer, Sealer
from mwaa_dr_metadata.storage import FileStorage, S3Storage, Storage, storage_from_uri
from mwaa_dr_metadata.unparking import unpark
from mwaa_dr_metadata.verification import verify_import

__all__ = [
    "Backup",
    "BackupCheck",
    "BackupIdentity",
    "BackupInfo",
    "BackupRefusedError",
    "DagCounts",
    "DatabaseRefusedError",
    "DatabaseSettingsError",
    "Difference",
    "ExportOptions",
    "FileSealer",
    "FileStorage",
    "Forecast",
    "ImportMode",
    "ImportOptions",
    "ImportReport",
    "ImportVerificationError",
    "InterruptedRun",
    "InterruptedTask",
    "KmsSealer",
    "MassDeleteError",
    "MetadataError",
    "Phase",
    "Progress",
    "ProgressCallback",
    "S3Storage",
    "SealUnavailableError",
    "Sealer",
    "Storage",
    "TableCheck",
    "TargetRefusedError",
    "UnparkReport",
    "UnpauseReport",
    "compare_schedule",
    "control",
    "database",
    "engine_from_env",
    "export_backup",
    "fernet_from_env",
    "forecast",
    "forecast_backup",
    "import_backup",
    "list_backups",
    "load_manifest",
    "load_oracle",
    "newest",
    "storage_from_uri",
    "unpark",
    "verify_backup",
    "verify_import",
]
