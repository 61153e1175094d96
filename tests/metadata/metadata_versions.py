"""Every supported Airflow's database: how to make one, and what it looks like, from our own SQL."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from local import postgres
from local.mwaa import install

CHAINS: dict[str, tuple[str, ...]] = {
    **{version: (version,) for version in install.RELEASES},
    "2.11.2-upgraded": ("2.7.2", "2.11.2"),
    "3.3.1-upgraded": ("2.11.2", "3.3.1"),
}
"""Name -> the versions that migrated the database, one after the other."""
QUICK = ("2.10.3", "3.2.1", "3.3.1-upgraded")
"""What runs by default: the oldest generation still common, the newest, and an upgrade."""
CATALOGUES = Path(__file__).parent / "catalogues"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


def migrate(chain: tuple[str, ...], url: str, home: Path) -> None:
    """Make an empty database one of the last version of `chain`."""
    for version in chain:
        subprocess.run(
            [install.ensure(version).parent / "airflow", "db", "migrate"],
            env={
                "PATH": os.environ["PATH"],
                "AIRFLOW_HOME": str(home / version),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
                "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                # As MWAA has it: users and roles in tables of its own.
                **({"AIRFLOW__CORE__AUTH_MANAGER": FAB} if version[0] != "2" else {}),
            },
            check=True,
            capture_output=True,
        )


_DESCRIBE = {
    "columns": """
        SELECT table_name, json_object_agg(column_name, array_to_string(ARRAY[
                 format_type(a.atttypid, a.atttypmod),
                 CASE WHEN is_nullable = 'NO' THEN 'not null' END,
                 CASE WHEN column_default IS NOT NULL THEN 'default' END,
                 CASE WHEN s.oid IS NOT NULL THEN 'sequence ' || s.relname END], ', ')
               ORDER BY ordinal_position)
        FROM information_schema.columns c JOIN pg_attribute a
          ON a.attrelid = quote_ident(table_name)::regclass AND a.attname = column_name
        LEFT JOIN pg_class s ON s.relkind = 'S' AND s.oid = coalesce(
          pg_get_serial_sequence(quote_ident(table_name), column_name)::regclass,
          CASE WHEN column_name = 'id' THEN to_regclass(table_name || '_id_seq') END)
        WHERE table_schema = 'public' GROUP BY 1 ORDER BY 1
    """,
    "unique": """
        SELECT indrelid::regclass::text, json_agg(u ORDER BY u::text) FROM (
          SELECT i.indrelid, to_json(array_agg(a.attname ORDER BY k.n)) AS u
          FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, n)
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
          JOIN pg_class c ON c.oid = i.indrelid
          WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique AND i.indpred IS NULL
            AND i.indexprs IS NULL GROUP BY i.indexrelid, i.indrelid) x GROUP BY 1 ORDER BY 1
    """,
    "foreign_keys": """
        SELECT conrelid::regclass::text, json_agg(f ORDER BY f::text) FROM (
          SELECT f.conrelid, json_build_object('columns', array_agg(a.attname ORDER BY k.n),
            'parent', f.confrelid::regclass::text,
            'parent_columns', array_agg(b.attname ORDER BY k.n),
            'on_delete', f.confdeltype) AS f
          FROM pg_constraint f
          CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY k(own, their, n)
          JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.own
          JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = k.their
          WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace
          GROUP BY f.oid, f.conrelid, f.confrelid, f.confdeltype) x GROUP BY 1 ORDER BY 1
    """,
}


def describe(connection: Any) -> dict[str, dict[str, Any]]:
    """Table -> its columns, unique keys and foreign keys."""
    found: dict[str, dict[str, Any]] = {}
    with connection.cursor() as cursor:
        for aspect, query in _DESCRIBE.items():
            cursor.execute(query)
            for table, value in cursor.fetchall():
                found.setdefault(table.strip('"'), {})[aspect] = value
    return found


def recorded(name: str) -> dict[str, dict[str, Any]]:
    """What `describe` said when the catalogue was last recorded."""
    return json.loads((CATALOGUES / f"{name}.json").read_text())


def record(name: str, tables: dict[str, dict[str, Any]]) -> None:
    """One line per aspect of a table, so that a change is easy to see."""
    lines = [
        f' "{table}": {{\n'
        + ",\n".join(
            f'  "{aspect}": {json.dumps(value)}' for aspect, value in sorted(parts.items())
        )
        + "}"
        for table, parts in sorted(tables.items())
    ]
    CATALOGUES.mkdir(exist_ok=True)
    (CATALOGUES / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    """Record what every supported Airflow makes, after a release was added to `RELEASES`."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = postgres.start(Path(folder) / "data", settings={"fsync": "off"})
        try:
            for name, chain in CHAINS.items():
                migrate(chain, cluster.create_database(name), Path(folder) / name)
                connection = cluster.connect(name)
                record(name, describe(connection))
                connection.close()
        finally:
            cluster.destroy()


if __name__ == "__main__":
    main()
