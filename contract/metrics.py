"""CloudWatch names that both the publishers and the alarms use."""

NAMESPACE = "MwaaDr"
INSTALLATION = "Installation"
"""The only dimension of our metrics: the installation's name."""

PRIMARY_HEARTBEAT = "PrimaryHeartbeat"
"""1 when the owner's heartbeat or pulse is fresh, else 0; published in the DR Region."""
VERDICT = "Verdict"
"""`contract.verdict.METRIC_VALUE`; published in the DR Region."""
BACKUP_AGE_SECONDS = "BackupAgeSeconds"
"""Age of the newest complete backup in the DR bucket; published in the DR Region."""
MONITOR_HEARTBEAT = "MonitorHeartbeat"
"""1 per reading, published in the *primary* Region for the reverse dead-man alarm there."""
EXPORT_SECONDS = "ExportSeconds"

AIRFLOW_NAMESPACE = "AmazonMWAA"
"""Where MWAA publishes Airflow's own metrics (`SchedulerHeartbeat`, with the dimensions
`Function=Scheduler` and `Environment=<name>`)."""
INFRASTRUCTURE_NAMESPACE = "AWS/MWAA"
"""Where MWAA publishes container, queue and database metrics (dimension `Environment` first)."""

TAG_INSTALLATION = "mwaa-dr:installation"
TAG_SITE = "mwaa-dr:site"
TAG_INCIDENT = "mwaa-dr:incident"
"""On an environment that recovery created: the incident that created it."""
TAG_OBJECT = "mwaa-dr:object"
"""What a resource is for (`backups`, `dags`, `environment`, ...): policies find it by this tag."""
