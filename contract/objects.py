"""What a resource is for: the values of the tag `contract.metrics.TAG_OBJECT`."""

from enum import StrEnum


class ObjectRole(StrEnum):
    """The program tags with these words and the policies find resources by them."""

    BACKUPS = "backups"
    """The bucket that holds backups and control objects of a site."""
    DAGS = "dags"
    """The bucket that MWAA loads code from, and the code in it."""
    ENVIRONMENT = "environment"
    """The MWAA environment and its execution role."""
    NETWORK = "network"
    """The VPC an environment runs in and all parts of it."""
    DATA_KEY = "data-key"
    """The key that encrypts a site's buckets, table, topic, logs and environment."""
    SEAL_KEY = "seal-key"
    """The multi-Region key that seals the secrets in a backup."""
    STATE = "state"
    """The ownership table."""
    ALERTS = "alerts"
    """Topics, alarms and the dashboard."""
    MONITOR = "monitor"
    """The machine that reads the signals, its schedule, role and log."""
    RECOVERY = "recovery"
    """The machine that recovers the environment, its role and log."""
    FUNCTION = "function"
    """A step that the machines call, its role and log."""
    REPLICATION = "replication"
    """The roles with which S3 copies objects to the other site."""
