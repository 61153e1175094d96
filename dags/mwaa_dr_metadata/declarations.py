"""The vocabulary that table rules are written in (`rules`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class Merge(Enum):
    """How the rows of a backup get into a table."""

    UPSERT = auto()
    """By a unique key: the backup wins in `update`, other rows of the target stay."""
    KEYED = auto()
    """Like `UPSERT`, by a key that no index guards. History only adds rows. Of a table with an
    optional run: rows follow their run, and those without one are a queue, which is mirrored."""
    MIRROR = auto()
    """Like `UPSERT`, and rows that the backup does not have go."""
    LEDGER = auto()
    """No unique key: as many equal rows as the backup has, never fewer, none twice."""
    RUN = auto()
    """A DAG run: resume replaces it with all that hangs on it, history leaves existing ones."""
    OF_RUN = auto()
    """Hangs on a DAG run, by foreign keys that delete it with its run: inserted exactly where its
    run was inserted by the same import."""
    TEMPLATE = auto()
    """Log templates: by content, and never so that an old one becomes the newest."""
    PARKED = auto()
    """Carried, but written only at promotion."""


class Where(Enum):
    """Which of a table's rows belong to the resume set."""

    ALL = auto()
    NONE = auto()
    BY_RUN = auto()
    PENDING_EVENTS = auto()
    """Dataset events that no run of their consumers has taken yet, or that resume runs took."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A column that holds another row's serial id, which differs between two databases.

    Exported as the parent's natural key (`IDENTITY`), looked up again at import.

    Args:
        required: a row whose parent is not there must not be restored; otherwise it becomes NULL.
        together: nothing is wrong if the parent is not there; the row stays away with it.
        text: the column holds the id as text; what names the parent stands for a missing one.
    """

    column: str
    parent: str
    required: bool = True
    together: bool = False
    text: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column that Airflow encrypts with the environment's Fernet key.

    Args:
        flag: the boolean column that says whether it is; empty where the text itself says it.
    """

    column: str
    flag: str = ""


@dataclass(frozen=True, slots=True)
class TableRule:
    """One table.

    Args:
        key: its natural key.
        dag: columns with a DAG id: rows of recovery DAGs are neither exported nor touched.
        own: a column whose values starting with `rules.OWN_PREFIX` belong to the site itself.
        refs: columns that hold other rows' serial ids.
        versions: columns with the id of a version of the row's DAG. Versions are made by parsing,
            so each environment has its own: the target's newest takes its place.
        sealed: ciphertext columns.
        nulls: columns that mean nothing in another environment.
        fixed: column -> SQL expression that replaces the value at import.
        update: columns an `UPSERT` changes in an existing row; None for all of them.
        time: of a `LEDGER`, the column that narrows the search for rows that are there already.
            Equal rows have equal times.
        keep_id: export the serial id, because other rows of the backup refer to it.
        numbers: a run's serial id, here or where it is referred to, which is exported besides: a
            database without any run can take it over, and rows need no translation then.
        slice: export in slices of `time`, newest first.
        follows: a standby loses the rows that the source lost.
        until: where this table exists, the one of the rule is a leftover of an upgrade.
    """

    name: str
    merge: Merge
    resume: Where = Where.ALL
    key: tuple[str, ...] = ()
    dag: tuple[str, ...] = ()
    own: str = ""
    refs: tuple[Ref, ...] = ()
    versions: tuple[str, ...] = ()
    sealed: tuple[Sealed, ...] = ()
    nulls: tuple[str, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    update: tuple[str, ...] | None = None
    time: str = ""
    keep_id: bool = False
    numbers: tuple[str, ...] = ()
    slice: bool = False
    follows: bool = False
    until: str = ""

    @property
    def queue(self) -> Ref | None:
        """The optional reference to a run: rows that have none yet are part of the resume set."""
        optional = [r for r in self.refs if r.parent == "dag_run" and not r.required]
        return optional[0] if self.merge is Merge.KEYED and optional else None
