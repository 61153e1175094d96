"""What the live database looks like: columns are never taken from a list of ours."""

from dataclasses import dataclass, field

from mwaa_dr_metadata.errors import MetadataError
from mwaa_dr_metadata.session import Session, quote


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        type: as `format_type` writes it, e.g. `timestamp with time zone`.
        sequence: what fills it when nothing is given; empty if nothing does.
        generated: computed by the database, so never written.
    """

    name: str
    type: str
    sequence: str = ""
    has_default: bool = False
    generated: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    table: str
    columns: tuple[str, ...]
    parent: str


@dataclass(slots=True)
class Table:
    name: str
    columns: dict[str, Column] = field(default_factory=dict)
    unique: list[tuple[str, ...]] = field(default_factory=list)
    """Columns of each unique index without a condition or an expression, primary key included."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables on the search path, with the vocabulary of older versions understood."""

    tables: dict[str, Table]
    foreign_keys: tuple[ForeignKey, ...]

    def refuse_strangers(self, refusal: type[MetadataError]) -> None:
        """Raises `refusal` for a database that is not one of Airflow."""
        if "dag_run" not in self.tables:
            raise refusal("this database holds no Airflow metadata: no table dag_run")


_TABLES = """
SELECT c.oid, c.relname FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)
  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND c.relpersistence <> 't'
"""
_COLUMNS = """
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod),
       coalesce(pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname),
                                       a.attname), ''),
       a.atthasdef OR a.attidentity <> '', a.attgenerated <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""
_UNIQUE = """
SELECT i.indrelid, array_agg(a.attname::text ORDER BY k.n)
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, n)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = ANY(%s) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid, i.indrelid
"""
_FOREIGN_KEYS = """
SELECT f.conrelid, f.confrelid, array_agg(a.attname::text ORDER BY k.n)
FROM pg_constraint f CROSS JOIN LATERAL unnest(f.conkey) WITH ORDINALITY k(attnum, n)
JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum
WHERE f.contype = 'f' AND f.conrelid = ANY(%s) GROUP BY f.oid, f.conrelid, f.confrelid
"""
_UNOWNED_SEQUENCE = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relkind = 'S' AND c.relname = %s AND pg_table_is_visible(c.oid)
"""


def read_catalogue(session: Session) -> Catalogue:
    """Ask the database; sequences by `pg_get_serial_sequence`, since upgraded databases keep the
    sequences of tables that were renamed."""
    names = dict(session.rows(_TABLES))
    oids = [list(names)]
    tables = {oid: Table(name) for oid, name in names.items()}
    for oid, name, kind, owned, has_default, generated in session.rows(_COLUMNS, oids):
        sequence = owned
        if name == "id" and kind == "integer" and not owned:
            # FAB 3.6 and later has the sequence, but neither a default nor an owner for it.
            found = session.rows(_UNOWNED_SEQUENCE, [f"{names[oid]}_id_seq"])
            sequence = found[0][0] if found else ""
        tables[oid].columns[name] = Column(name, kind, sequence, has_default, generated)
    for oid, columns in session.rows(_UNIQUE, oids):
        tables[oid].unique.append(tuple(columns))
    foreign_keys = {
        ForeignKey(names[oid], tuple(columns), names[parent])
        for oid, parent, columns in session.rows(_FOREIGN_KEYS, oids)
        if parent in names
    }
    return Catalogue(
        {table.name: table for table in tables.values()},
        tuple(sorted(foreign_keys, key=lambda key: (key.table, key.columns))),
    )


def alembic_heads(session: Session, catalogue: Catalogue) -> dict[str, str]:
    """The schema version of each version table, several heads of one joined by commas."""
    heads = "SELECT string_agg(version_num, ',' ORDER BY version_num) FROM "
    return {
        name: session.value(heads + quote(name)) or ""
        for name in sorted(catalogue.tables)
        if name.startswith("alembic_version")
    }
