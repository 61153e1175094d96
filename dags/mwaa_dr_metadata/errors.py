"""Why a backup or a target cannot be used; the names travel in acknowledgements to recovery."""


class MetadataError(Exception):
    """The engine could not do what it was asked."""


class BackupRefusedError(MetadataError):
    """The backup is incomplete, altered, or does not fit: the caller takes an older one."""


class TargetRefusedError(MetadataError):
    """This target must not be written; another backup would not help."""


class ImportVerificationError(MetadataError):
    """What the target holds after the merge is not what the backup says; nothing was committed."""


class SealUnavailableError(MetadataError):
    """The key service did not answer or refused us; it says nothing about the backup."""


class DatabaseSettingsError(MetadataError):
    """The environment does not say how to reach the metadata database."""


class MassDeleteError(BackupRefusedError):
    """The source lost so many rows at once that somebody should say whether that was meant."""


class DatabaseRefusedError(DatabaseSettingsError):
    """Airflow keeps the metadata database from its tasks, and nothing else leads to it."""
