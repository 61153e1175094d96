"""Rows for every table that is carried, made from the live catalogue, and hard to carry.

Foreign keys and unique keys hold; apart from them a column gets what its type allows: hostile text,
NULL and '', binary values, JSON as PostgreSQL keeps it, infinity, the largest numbers. A table that
a rule is added for is tested by that alone.
"""

# ruff: noqa: S608 - identifiers come from the catalogue

import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2

from mwaa_dr_metadata.catalogue import read_catalogue
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.declarations import Merge
from mwaa_dr_metadata.plan import Plan, make_plan
from tests.metadata.metadata_hard import HOSTILE
from tests.metadata.metadata_versions import describe
from tests.metadata.metadata_world import World

ROWS = 6
DAGS = ("etl", "bücher.漢字", "busy")
SOURCE_IDS, TARGET_IDS = 70_000, 900
"""No id of one environment means the same row in the other."""

UNCARRIED_PARENTS = ("ab_user", "dag_version")
"""What carried rows point to, made by hand in either environment."""

LARGEST = 2**31 - 1
NESTED = {"b": [1, None, 2.5e300, {"": HOSTILE[:9]}], "a": "\u2028é", "deep": {"x": {"y": [[]]}}}

_CHOICES: dict[str, tuple[Any, ...]] = {
    "dag_run.state": ("success", "failed"),
    "dag_run.run_type": ("scheduled", "manual", "backfill"),
    "task_instance.state": ("success", "failed", "skipped", "upstream_failed", "removed"),
    "task_instance_history.state": ("failed", "success"),
    "is_stale": (False,),
    "is_active": (True,),
    "map_index": (-1, 0, 1, 7),
    "try_number": (0, 1, 2, 3),
    "backfill_dag_run.sort_ordinal": tuple(range(50)),
    "task_map.length": (0, LARGEST),
    "span_status": ("not_started", "ended"),
}
_EMPTY = {"trigger_id", "triggerer_id", "deadline_alert_id"}
"""References that finished rows do not have."""
_IDS_OF_RUN = ("dag_run_id", "created_dag_run_id", "dagrun_id")
SEALED = {
    "variable": {"val": "is_encrypted"},
    "connection": {"password": "is_encrypted", "extra": "is_extra_encrypted"},
}


def plan_of(world: World) -> Plan:
    with transaction(world.engine) as session:
        return make_plan(read_catalogue(session))


class Maker:
    """Fills one environment."""

    def __init__(self, world: World, plan: Plan, *, portable: bool = False) -> None:
        """Args: portable: only values that are the same as json and as jsonb."""
        self.world = world
        self.plan = plan
        self.tables = describe(world.connection)
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self._random = random.Random(7)  # noqa: S311
        self._number = itertools.count(1)
        self._portable = portable

    def fill(self) -> None:
        """Make rows for everything that is carried and for what that points to."""
        self.move_sequences(SOURCE_IDS)
        order = [name for name in self.plan.tables if name not in UNCARRIED_PARENTS]
        if "ab_user" in self.tables:
            self.table("ab_user")
        for name in order:
            self.table(name)
            if name == "dag" and "dag_version" in self.tables:
                self.table("dag_version")

    def move_sequences(self, to: int) -> None:
        for name, parts in self.tables.items():
            for text in parts["columns"].values():
                sequence = next((m for m in text.split(", ") if m.startswith("sequence ")), "")
                if sequence and name in {*self.plan.tables, *UNCARRIED_PARENTS}:
                    self.world.sql(f"SELECT setval('{sequence.split()[1]}', {to})")

    def table(self, name: str, count: int = ROWS) -> None:
        made = self.rows.setdefault(name, [])
        made += self.world.sql_rows(f'SELECT * FROM "{name}"')
        for number in range({"task_instance": 4, "dag_run": 2}.get(name, 1) * count):
            row = self._fitting(name, number)
            if row is not None:
                made.append(self._insert(name, row))
        rule = self.plan.tables[name].rule if name in self.plan.tables else None
        if rule and rule.merge is Merge.LEDGER:
            again = {key: value for key, value in made[-1].items() if key != "id"}
            made.append(self._insert(name, again))

    def _fitting(self, name: str, number: int) -> dict[str, Any] | None:
        """A row whose keys are free; None if there is none, as of a key made of few parents."""
        rule = self.plan.tables[name].rule if name in self.plan.tables else None
        keys = [tuple(key) for key in self.tables[name].get("unique", [])]
        keys += [rule.key] if rule and rule.merge is Merge.KEYED else []
        for _ in range(60):
            row = self._row(name, number)
            if row is not None and not any(
                all(row.get(c) is not None and row[c] == other.get(c) for c in key)
                for key in keys
                for other in self.rows[name]
            ):
                return row
        return None

    def _row(self, name: str, number: int) -> dict[str, Any] | None:
        columns: dict[str, str] = self.tables[name]["columns"]
        row: dict[str, Any] = {}
        for key in self.tables[name].get("foreign_keys", []):
            if not set(key["columns"]) & _EMPTY and not self._point(row, name, key, number):
                return None
        refs = self.plan.tables[name].rule.refs if name in self.plan.tables else ()
        for ref in refs:
            if ref.column not in row and ref.parent != "dag_run":
                parent = self._random.choice(self.rows[ref.parent])
                row[ref.column] = str(parent["id"]) if ref.text else parent["id"]
        self._one_run(row, columns)
        for column, text in columns.items():
            if column in row or (column == "id" and "sequence" in text and "default" in text):
                continue
            row[column] = self._value(name, column, text, number)
        for column, flag in SEALED.get(name, {}).items():
            if row[flag] and row[column]:
                row[column] = self.world.encrypted(row[column])
        return row

    def _point(self, row: dict[str, Any], name: str, key: dict[str, Any], number: int) -> bool:
        """Fill a foreign key's columns; False if there is nothing to point to."""
        nullable = all(self._nullable(name, column) for column in key["columns"])
        parents = [
            parent
            for parent in self.rows.get(key["parent"], [])
            if all(
                row.get(own, parent[their]) == parent[their]
                for own, their in zip(key["columns"], key["parent_columns"], strict=True)
            )
        ]
        if nullable and (number % 3 == 2 or not parents):
            row.update(dict.fromkeys(key["columns"]))
            return True
        if not parents:
            return False
        parent = self._random.choice(parents)
        for own, their in zip(key["columns"], key["parent_columns"], strict=True):
            row[own] = parent[their]
        return True

    def _nullable(self, name: str, column: str) -> bool:
        """Keys are never NULL, whatever the column allows: nothing could name such a row."""
        key = self.plan.tables[name].rule.key if name in self.plan.tables else ()
        return "not null" not in self.tables[name]["columns"][column] and column not in key

    def _one_run(self, row: dict[str, Any], columns: dict[str, str]) -> None:
        """A run's id and its names belong together."""
        found = next((c for c in _IDS_OF_RUN if c in columns), "")
        if not found or not {"dag_id", "run_id"} <= set(columns):
            return
        for run in self.rows["dag_run"]:
            if row.get(found, run["id"]) == run["id"] and all(
                row.get(c, run[c]) == run[c] for c in ("dag_id", "run_id")
            ):
                row.update({found: run["id"], "dag_id": run["dag_id"], "run_id": run["run_id"]})
                return

    def _value(self, name: str, column: str, text: str, number: int) -> Any:
        kind = text.partition(", ")[0]
        choices = _CHOICES.get(f"{name}.{column}") or _CHOICES.get(column)
        if choices:
            return self._random.choice(choices)
        if column == "id" and kind == "integer":
            return SOURCE_IDS * 2 + next(self._number)
        if column.endswith("dag_id"):
            return DAGS[number % 3]
        if name == "trigger" and column == "kwargs":
            plain = json.dumps({"__var": {"n": number}, "__type": "dict"})
            return self.world.encrypted(plain) if kind == "text" and number % 2 else plain
        if column in _EMPTY or (number % 4 == 3 and self._nullable(name, column)):
            return None
        return self._of_type(kind, number)

    def _of_type(self, kind: str, number: int) -> Any:
        base, _, size = kind.partition("(")
        makers: dict[str, Callable[[], Any]] = {
            "character varying": lambda: self._text(int(size.rstrip(")"))),
            "text": lambda: self._text(500),
            "integer": lambda: (LARGEST, -LARGEST - 1, 0, 5)[number % 4],
            "bigint": lambda: 2**63 - 1 - number,
            "double precision": lambda: (1e308, -0.0, 0.1 + 0.2, float("nan"))[number % 4],
            "boolean": lambda: number % 2 == 0,
            "timestamp with time zone": lambda: self._time(number),
            "timestamp without time zone": lambda: "2024-02-29 23:59:59.999999",
            "bytea": lambda: psycopg2.Binary((bytes(range(256)), b"", b"\\x", b"\x00")[number % 4]),
            "json": lambda: self._json(number, "json"),
            "jsonb": lambda: self._json(number, "jsonb"),
            "uuid": lambda: f"{self._random.getrandbits(128):032x}",
        }
        return makers[base]()

    def _text(self, size: int) -> str:
        number = next(self._number)
        if number % 5 == 0 and size > 100:
            return f"{number:05}" + HOSTILE[:80]
        return (f"{number:05}", f"{number:05}\t'\"\\N", f"{number:05}ü漢\r\n")[number % 3][:size]

    def _time(self, number: int) -> str:
        if number % 5 == 4:
            return ("infinity", "-infinity", "0001-01-01 00:00:00Z")[number % 3]
        return f"2024-05-01T00:00:00.{next(self._number):06}+05:30"

    def _json(self, number: int, kind: str) -> str:
        if self._portable or kind == "jsonb":
            return json.dumps((NESTED, [], "", 0)[number % 4])
        # json keeps spaces, order and doubled names, and a NUL that jsonb would not take
        return ('{"b": 1,  "a":"\\u0000", "a": 2}', "[]", '""', " null ")[number % 4]

    def _insert(self, name: str, row: dict[str, Any]) -> dict[str, Any]:
        columns = ", ".join(f'"{column}"' for column in row)
        places = ", ".join(["%s"] * len(row))
        statement = f'INSERT INTO "{name}" ({columns}) VALUES ({places}) RETURNING *'
        return self.world.sql_rows(statement, *row.values())[0]


NATURAL: dict[str, tuple[str, ...]] = {
    "dag_run": ("dag_id", "run_id"),
    "dataset": ("uri",),
    "asset": ("name", "uri"),
    "dataset_alias": ("name",),
    "asset_alias": ("name",),
    "dataset_event": ("dataset_id", "timestamp", "extra", "source_task_id", "source_dag_id"),
    "asset_event": ("asset_id", "timestamp", "extra", "source_task_id", "source_dag_id"),
    "log_template": ("filename", "elasticsearch_id", "created_at"),
    "backfill": ("dag_id", "created_at", "from_date", "to_date"),
    "asset_partition_dag_run": ("target_dag_id", "partition_key", "created_at"),
    "ab_user": ("username",),
    "ab_role": ("name",),
    "ab_group": ("name",),
    "ab_permission": ("name",),
    "ab_view_menu": ("name",),
    "ab_permission_view": ("permission_id", "view_menu_id"),
}
"""What a person would call a row."""

POINTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_IDS_OF_RUN, ("dag_run",)),
    **{"dataset_id": ("dataset",), "asset_id": ("asset",), "log_template_id": ("log_template",)},
    **{"event_id": ("asset_event", "dataset_event"), "asset_event_id": ("asset_event",)},
    **{"alias_id": ("asset_alias", "dataset_alias"), "backfill_id": ("backfill",)},
    **{"asset_partition_dag_run_id": ("asset_partition_dag_run",), "role_id": ("ab_role",)},
    **{"group_id": ("ab_group",), "permission_id": ("ab_permission",)},
    **{"view_menu_id": ("ab_view_menu",), "permission_view_id": ("ab_permission_view",)},
    "user_id": ("ab_user",),
}

_JOBS = {"job_id", "queued_by_job_id", "trigger_id", "dag_version_id"}
LOST: dict[str, set[str]] = {
    "dag": {"is_paused", "last_parsed_time", "pickle_id", "scheduler_lock"},
    "dag_bundle": {"version", "last_refreshed", "signed_url_template", "template_params"},
    "dag_run": {"creating_job_id", "scheduled_by_job_id", "created_dag_version_id"},
    "task_instance": _JOBS,
    "task_instance_history": _JOBS,
    "trigger": {"id", "kwargs", "triggerer_id"},
    "callback": {"trigger_id"},
    "deadline": {"deadline_alert_id"},
    **{table: set(columns) for table, columns in SEALED.items()},
}
"""What a restore does not keep, or what has a test of its own (ciphertext, versions)."""


def comparison(name: str, tables: dict[str, Any], *, portable: bool = False) -> str:
    """A SELECT of every carried value of a table, one text per row, ids by what they name."""
    columns: dict[str, str] = tables[name]["columns"]
    serial = {c for c, text in columns.items() if c == "id" and "sequence" in text}
    parts = [
        _named("t", column, columns[column], tables, portable=portable)
        for column in sorted(set(columns) - serial - LOST.get(name, set()))
    ]
    return f'SELECT ROW({", ".join(parts)})::text FROM "{name}" t'


def _named(row: str, column: str, text: str, tables: dict[str, Any], *, portable: bool) -> str:
    parent = next((name for name in POINTS.get(column, ()) if name in tables), "")
    if not parent:
        value = f'{row}."{column}"'
        return f"{value}::jsonb" if portable and text.startswith("json") else value
    inner = f"{row}_"
    names = [
        _named(inner, name, tables[parent]["columns"][name], tables, portable=portable)
        for name in NATURAL[parent]
    ]
    of = f"SELECT ROW({', '.join(names)})::text FROM {parent} {inner}"
    cast = "::text" if text.startswith("character") else ""
    return f'({of} WHERE {inner}.id{cast} = {row}."{column}")'


def differences(source: World, target: World, queries: dict[str, str]) -> Iterator[str]:
    """Rows that only one of the two has, by EXCEPT ALL in both directions."""
    for name, query in queries.items():
        theirs = [row[0] for row in target.sql(query)]
        source.sql("CREATE TEMP TABLE theirs (row text)")
        source.insert("theirs", *[{"row": row} for row in theirs])
        for side, left, right in (
            ("lost", query, "SELECT row FROM theirs"),
            ("invented", "SELECT row FROM theirs", query),
        ):
            for (row,) in source.sql(f"{left} EXCEPT ALL {right}"):
                yield f"{name} {side}: {row}"
        source.sql("DROP TABLE theirs")
