"""Configuration keys that several rules share."""

from contract.sites import CopyMode
from mwaa_dr_policy.rule import Option

_NAMES = {"type": "array", "items": {"type": "string"}}

OTHER_STACK = Option(
    key="otherStack",
    default="",
    description=(
        "File with the other Region's stack, as `pulumi stack export` writes it; relations that "
        "span the two stacks are judged with it. Relative to the folder of the project."
    ),
    schema={"type": "string"},
)
BACKUP_BUCKETS = Option(
    key="backupBuckets",
    default=[],
    description="Names of backup buckets that carry no tag `mwaa-dr:object` = `backups`.",
    schema=_NAMES,
)
DAG_BUCKETS = Option(
    key="dagBuckets",
    default=[],
    description=(
        "Names of DAG buckets that no MWAA environment of the program loads from and that carry "
        "no tag `mwaa-dr:object` = `dags`."
    ),
    schema=_NAMES,
)
RPO_MINUTES = Option(
    key="rpoMinutes",
    default=0,
    description=(
        "The recovery point objective, in minutes; 0 takes it from the configuration of the "
        "recovery's functions where they are at hand, else 60."
    ),
    schema={"type": "number", "minimum": 0},
)
BUCKETS = (BACKUP_BUCKETS, DAG_BUCKETS, OTHER_STACK)
MACHINES = Option(
    key="machines",
    default=[],
    description=(
        "Names of state machines of the recovery that carry no tag `mwaa-dr:object` = `monitor` or "
        "`recovery` and that do not call MWAA themselves."
    ),
    schema=_NAMES,
)
FUNCTIONS = Option(
    key="functions",
    default=[],
    description=(
        "Names of functions of the recovery that carry no tag `mwaa-dr:object` = `function`."
    ),
    schema=_NAMES,
)
COPY_MODE = Option(
    key="copyMode",
    default="",
    description=(
        "How a backup reaches the DR Region; empty takes it from the option `mwaa_dr.copy_mode` of "
        "an environment at hand."
    ),
    schema={"type": "string", "enum": ["", *(mode.value for mode in CopyMode)]},
)
