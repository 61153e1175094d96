"""The same rows and statements in the vocabulary of each generation of Airflow."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.checker.story import at

Values = dict[str, Any]
BUNDLE = "dags-folder"


@dataclass(frozen=True, slots=True)
class Generation:
    """How Airflow 2's names and rows read in one release.

    Args:
        words: part of a name in Airflow 2 -> the same here.
        gone: tables and columns that are no more.
        more: table (as it is called here) -> what its rows have beside that.
        first: rows that must be there before all others.
    """

    version: str
    words: Mapping[str, str] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    more: Mapping[str, Callable[[Values], Values]] = field(default_factory=dict)
    first: tuple[tuple[str, Values], ...] = ()

    def say(self, text: str) -> str:
        """A name or an SQL statement."""
        for old, new in self.words.items():
            text = text.replace(old, new)
        return text

    def row(self, table: str, values: Values) -> list[tuple[str, Values]]:
        """The row as it is here; none where there is no such table, more where it takes several."""
        if table in self.gone:
            return []
        name = self.say(table)
        kept = {self.say(key): value for key, value in values.items() if key not in self.gone}
        more = self.more.get(name, lambda _: {})(kept)
        rows = [(name, {**kept, **more})]
        if name == "dag" and "bundle_name" in more:
            rows.append(("dag_version", version_of(values["dag_id"])))
        return rows


def identifier(*parts: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, repr(parts)))


def version_of(dag_id: str) -> Values:
    moment = {"created_at": at(0), "last_updated": at(0)}
    return {"id": identifier(dag_id), "dag_id": dag_id, "version_number": 1, **moment}


AIRFLOW_2 = Generation("2.10.3")
AIRFLOW_3 = Generation(
    "3.2.1",
    words={"dataset": "asset", "execution_date": "logical_date"},
    gone=frozenset({"task_fail", "is_active", "is_orphaned", "job_id"}),
    more={
        "dag": lambda _: {"is_stale": False, "bundle_name": BUNDLE, "timetable_type": "t"},
        "asset": lambda row: {"name": row["uri"], "group": "asset"},
        "dag_run": lambda row: {
            "conf": '{"k": [1, null]}',
            "run_after": row["data_interval_end"],
            "created_dag_version_id": identifier(row["dag_id"]),
        },
        "task_instance": lambda row: {
            "id": identifier(row["dag_id"], row["run_id"]),
            "dag_version_id": identifier(row["dag_id"]),
        },
        "xcom": lambda row: {"value": row["value"].decode()},
    },
    first=(("dag_bundle", {"name": BUNDLE, "active": True}),),
)
GENERATIONS = {generation.version: generation for generation in (AIRFLOW_2, AIRFLOW_3)}
