"""Merges staged tables into the target, one statement or two per table."""

# ruff: noqa: S608 - identifiers come from the catalogue and the rules and are quoted

from collections.abc import Callable
from dataclasses import dataclass

from mwaa_dr_metadata.errors import ImportVerificationError, TargetRefusedError
from mwaa_dr_metadata.plan import Plan
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.selection import guards
from mwaa_dr_metadata.session import Session, listed, quote
from mwaa_dr_metadata.staging import MINE, ORDER, PREFIX, Staged

KEYED = f"{PREFIX}_keyed"
"""The rows of one table by a key that no index guards, as they are to be."""

WORTH_ASKING = 50_000
"""Staged rows of a ledger from which it pays to ask first whether any of them may be there."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How rows are merged.

    Args:
        replace: a run that exists becomes what the backup has of it, with all that hangs on it;
            otherwise it is left alone.
        follow: what the source lost is lost here too.
        queues: rows that wait for a run are those of the backup, no others.
        verify: read back the contents of what was written; otherwise the rows are counted.
    """

    replace: bool = False
    follow: bool = False
    queues: bool = False
    verify: bool = False


def create_mine(session: Session) -> None:
    """The table of runs that this transaction owns."""
    session.execute(
        f"CREATE TEMP TABLE {MINE} (id integer, dag_id text, run_id text, is_new boolean) "
        "ON COMMIT DROP"
    )


def has_mine(session: Session) -> bool:
    return bool(session.rows(f"SELECT 1 FROM {MINE} LIMIT 1"))


def all_mine_are_new(session: Session) -> bool:
    """Whether nothing can hang on any of the runs yet."""
    return not session.rows(f"SELECT 1 FROM {MINE} WHERE NOT is_new LIMIT 1")


def heal_sequences(session: Session, plan: Plan) -> None:
    """A sequence that lags behind its table hands out ids that are taken."""
    for table in plan.tables.values():
        identifier = table.table.columns.get("id")
        if identifier and identifier.sequence:
            session.rows(
                f"SELECT setval('{identifier.sequence}', m) FROM "
                f"(SELECT max(id) AS m FROM {quote(table.name)}) x "
                f"WHERE m > (SELECT last_value FROM {identifier.sequence})"
            )


def prune_orphans(session: Session, plan: Plan) -> None:
    """Delete rows whose parent went with a run, or for good, where no foreign key takes them."""
    for table in plan.tables.values():
        for ref in table.rule.refs:
            if ref.together:
                parent = f"SELECT FROM {quote(ref.parent)} p WHERE p.id = t.{quote(ref.column)}"
                session.execute(f"DELETE FROM {quote(table.name)} t WHERE NOT EXISTS ({parent})")


def merge(session: Session, staged: Staged, mode: Mode) -> int:
    """Put the staged rows where they belong; return how many were written.

    Raises:
        ImportVerificationError: rows refer to something that is not in the target.
        TargetRefusedError: the target's table is not built as the rule needs it.
    """
    lost = staged.unresolved(session)
    if lost:
        raise ImportVerificationError(lost)
    return _MERGES[staged.table.rule.merge](session, staged, mode)


def _insert(staged: Staged, select: str, order: str = ORDER) -> str:
    """INSERT ... SELECT in the order of the backup; serial ids come from the target's sequence."""
    table = staged.table.table
    targets, values = staged.targets, staged.targets
    identifier = table.columns.get("id")
    if identifier and identifier.sequence and not identifier.has_default and "id" not in targets:
        return (
            f"INSERT INTO {quote(table.name)} (id, {listed(targets)}) "
            f"SELECT nextval('{identifier.sequence}'), {listed(values)} "
            f"FROM ({select} ORDER BY {order}) f"
        )
    return (
        f"INSERT INTO {quote(table.name)} ({listed(targets)}) "
        f"SELECT {listed(values)} FROM ({select} ORDER BY {order}) f"
    )


def _upsert(session: Session, staged: Staged, mode: Mode) -> int:
    rule, key = staged.table.rule, staged.table.rule.key
    if not any(set(unique) == set(key) for unique in staged.table.table.unique):
        raise TargetRefusedError(
            f"the target's table {staged.table.name} has no unique index on {', '.join(key)}"
        )
    update = updated(staged)
    action = (
        "UPDATE SET " + ", ".join(f"{quote(name)} = EXCLUDED.{quote(name)}" for name in update)
        if update
        else "NOTHING"
    )
    # One order in every import, so that two writers of the same rows do not deadlock.
    order = ", ".join(f"s.{quote(name)}" for name in key if name in staged.columns) or ORDER
    insert = _insert(staged, staged.final(f"s.{ORDER}"), order)
    written = session.execute(f"{insert} ON CONFLICT ({listed(rule.key)}) DO {action}")
    if mode.follow and rule.follows:
        _delete_others(session, staged)
    return written


def updated(staged: Staged) -> list[str]:
    """Columns that a merge changes in a row that is there."""
    update = staged.table.rule.update
    key = staged.table.rule.key
    return [name for name in staged.targets if name not in key] if update is None else list(update)


def _keyed(session: Session, staged: Staged, mode: Mode) -> int:
    rule, table = staged.table.rule, quote(staged.table.name)
    session.execute(f"DROP TABLE IF EXISTS {KEYED}")
    session.execute(f"CREATE TEMP TABLE {KEYED} ON COMMIT DROP AS {staged.final(f's.{ORDER}')}")
    written = 0
    if mode.replace:
        update = ", ".join(f"{quote(name)} = f.{quote(name)}" for name in updated(staged))
        written += session.execute(
            f"UPDATE {table} t SET {update} FROM {KEYED} f WHERE {same_key(staged)}"
        )
    missing = f"NOT EXISTS (SELECT FROM {table} t WHERE {same_key(staged)})"
    written += session.execute(_insert(staged, f"SELECT * FROM {KEYED} f WHERE {missing}"))
    run = quote(rule.queue.column) if rule.queue else ""
    if mode.replace and run:
        lost = f"NOT EXISTS (SELECT FROM {KEYED} f WHERE {same_key(staged)})"
        session.execute(f"DELETE FROM {table} t USING {MINE} m WHERE t.{run} = m.id AND {lost}")
    if mode.queues and run:
        same = f"SELECT FROM {KEYED} f WHERE f.{run} IS NULL AND {same_key(staged)}"
        conditions = " AND ".join([f"t.{run} IS NULL", *guards(rule), f"NOT EXISTS ({same})"])
        session.execute(f"DELETE FROM {table} t WHERE {conditions}")
    return written


def _mirror(session: Session, staged: Staged, mode: Mode) -> int:
    written = _upsert(session, staged, mode)
    _delete_others(session, staged)
    return written


def _delete_others(session: Session, staged: Staged) -> None:
    rule = staged.table.rule
    session.execute(
        f"DELETE FROM {quote(staged.table.name)} t WHERE {' AND '.join([*guards(rule), 'TRUE'])} "
        f"AND NOT EXISTS (SELECT FROM ({staged.final()}) f WHERE {same_key(staged)})"
    )


def _ledger(session: Session, staged: Staged, _mode: Mode) -> int:
    table = quote(staged.table.name)
    candidates = near(session, staged)
    # Not by a LIMIT: it makes the planner gamble, and lose where the table has no statistics yet.
    few = staged.rows < WORTH_ASKING
    if not few and not session.value(f"SELECT count(*) FROM {table} t WHERE {candidates}"):
        return session.execute(_insert(staged, staged.final(f"s.{ORDER}")))
    return _insert_missing(session, staged, f"{table} t WHERE {candidates}")


def _insert_missing(session: Session, staged: Staged, present: str) -> int:
    """Insert what is staged more often than it is present; equal rows are told by their number.

    Args:
        present: `FROM` clause of the target's rows `t` that may be equal to staged ones.
    """
    return session.execute(
        f"""
        WITH f AS (SELECT f.*, {digest(staged, "f")} AS d
                   FROM ({staged.final(f"s.{ORDER}")}) f),
        n AS (SELECT f.*, row_number() OVER (PARTITION BY d ORDER BY {ORDER}) AS nth FROM f),
        t AS (SELECT {digest(staged, "t")} AS d, count(*) AS c
              FROM {present} GROUP BY 1)
        INSERT INTO {quote(staged.table.name)} ({listed(staged.targets)})
        SELECT {listed(staged.targets, lambda name: f"n.{quote(name)}")}
        FROM n LEFT JOIN t ON t.d = n.d WHERE n.nth > coalesce(t.c, 0) ORDER BY n.{ORDER}
        """
    )


def delete_surplus(session: Session, staged: Staged, present: str) -> int:
    """Delete what is present more often than it is staged; see `_insert_missing`."""
    return session.execute(
        f"""
        WITH t AS (SELECT t.ctid AS at, {digest(staged, "t")} AS d FROM {present}),
        n AS (SELECT at, d, row_number() OVER (PARTITION BY d) AS nth FROM t),
        f AS (SELECT {digest(staged, "f")} AS d, count(*) AS c
              FROM ({staged.final()}) f GROUP BY 1)
        DELETE FROM {quote(staged.table.name)} WHERE ctid = ANY (ARRAY(
            SELECT n.at FROM n LEFT JOIN f ON f.d = n.d WHERE n.nth > coalesce(f.c, 0)))
        """
    )


def near(session: Session, staged: Staged) -> str:
    """Which rows `t` of a ledger may be among the staged ones: those of the same moments.

    Not those between the first and the last of them: one late change to an old row would have every
    row since then compared.
    """
    time = quote(staged.table.rule.time)
    same = f"t.{time} IN (SELECT {time} FROM {staged.name})"
    timeless = session.rows(f"SELECT 1 FROM {staged.name} WHERE {time} IS NULL LIMIT 1")
    return f"({same} OR t.{time} IS NULL)" if timeless else same


def _run(session: Session, staged: Staged, mode: Mode) -> int:
    if mode.replace:
        _update_runs(session, staged)
    insert = _insert(staged, staged.final(f"s.{ORDER}"))
    # Only runs that this very statement inserted get children: no race with a live scheduler.
    written = session.execute(
        f"WITH i AS ({insert} ON CONFLICT DO NOTHING RETURNING id, dag_id, run_id) "
        f"INSERT INTO {MINE} SELECT id, dag_id, run_id, TRUE FROM i"
    )
    if mode.replace:
        written += session.execute(
            f"INSERT INTO {MINE} SELECT t.id, t.dag_id, t.run_id, FALSE FROM dag_run t "
            f"JOIN {staged.name} f ON {same_key(staged)} "
            f"WHERE NOT EXISTS (SELECT FROM {MINE} m WHERE m.id = t.id)"
        )
    session.execute(f"ANALYZE {MINE}")
    return written


def _update_runs(session: Session, staged: Staged) -> None:
    """Bring runs that exist to what is staged; most are as they were, and then all that hangs on
    them is. To delete them all would fire a trigger per row and foreign key."""
    name, rule = quote(staged.table.name), staged.table.rule
    apart = {c for unique in staged.table.table.unique for c in unique} - {*rule.key, "id"}
    differs = " OR ".join(f"t.{quote(c)} IS DISTINCT FROM f.{quote(c)}" for c in sorted(apart))
    final = staged.final(f"s.{ORDER}")
    # Another run of the same name, which could meet a third one if it were updated.
    if differs:
        again = f"{same_key(staged)} AND ({differs})"
        session.execute(f"DELETE FROM {name} t USING ({final}) f WHERE {again}")
    columns = updated(staged)
    values = ", ".join(f"{quote(column)} = f.{quote(column)}" for column in columns)
    session.execute(
        f"UPDATE {name} t SET {values} FROM ({final}) f WHERE {same_key(staged)} "
        f"AND {as_text(staged, 't', columns)} <> {as_text(staged, 'f', columns)}"
    )


def _of_run(session: Session, staged: Staged, mode: Mode) -> int:
    if all_mine_are_new(session):
        return session.execute(_insert(staged, staged.final(f"s.{ORDER}")))
    # Both in one pass, because hashing takes longer than all else. What is to be inserted depends
    # on what was deleted, so a key is free before it is used again.
    session.execute(
        f"""
        WITH f AS (SELECT f.*, {digest(staged, "f")} AS d
                   FROM ({staged.final(f"s.{ORDER}")}) f),
        n AS (SELECT f.*, row_number() OVER (PARTITION BY d ORDER BY {ORDER}) AS nth FROM f),
        x AS (SELECT t.ctid AS at, {digest(staged, "t")} AS d
              FROM {rows_of_mine(staged)}),
        t AS (SELECT x.*, row_number() OVER (PARTITION BY d) AS nth FROM x),
        gone AS (DELETE FROM {quote(staged.table.name)} WHERE ctid = ANY (ARRAY(
                     SELECT t.at FROM t LEFT JOIN n ON n.d = t.d AND n.nth = t.nth
                     WHERE n.d IS NULL)) RETURNING 1)
        INSERT INTO {quote(staged.table.name)} ({listed(staged.targets)})
        SELECT {listed(staged.targets, lambda name: f"n.{quote(name)}")}
        FROM n LEFT JOIN t ON t.d = n.d AND t.nth = n.nth
        WHERE t.d IS NULL AND (SELECT count(*) FROM gone) >= 0 ORDER BY n.{ORDER}
        """
    )
    if mode.verify:
        return staged.rows  # it is all read back
    return session.value(f"SELECT count(*) FROM {rows_of_mine(staged)}")


def rows_of_mine(staged: Staged) -> str:
    """`FROM` clause of the target's rows `t` of the runs that this transaction may write."""
    table = quote(staged.table.name)
    if staged.table.rule.merge is Merge.RUN:
        return f"{table} t JOIN {MINE} m ON m.id = t.id"
    return f"{table} t {staged.table.to_run('t', MINE, 'm')}"


def _template(session: Session, staged: Staged, _mode: Mode) -> int:
    """Below the ids that are there: Airflow gives new runs the template with the highest id, and
    takes the lowest for runs of before there were any."""
    others = [name for name in staged.targets if name != "id"]
    key = " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in staged.table.rule.key)
    name = quote(staged.table.name)
    return session.execute(
        f"""
        INSERT INTO {name} (id, {listed(others)})
        SELECT (SELECT least(min(id), 1) FROM {name})
               - row_number() OVER (ORDER BY s.id DESC), {listed(others, lambda c: f"s.{quote(c)}")}
        FROM (SELECT DISTINCT ON ({listed(staged.table.rule.key)}) * FROM {staged.name}
              ORDER BY {listed(staged.table.rule.key)}, id DESC) s
        WHERE NOT EXISTS (SELECT FROM {name} t WHERE {key})
        """
    )


def _parked(_session: Session, _staged: Staged, _mode: Mode) -> int:
    """Promotion writes it."""
    return 0


_MERGES: dict[Merge, Callable[[Session, Staged, Mode], int]] = {
    Merge.UPSERT: _upsert,
    Merge.KEYED: _keyed,
    Merge.MIRROR: _mirror,
    Merge.LEDGER: _ledger,
    Merge.RUN: _run,
    Merge.OF_RUN: _of_run,
    Merge.TEMPLATE: _template,
    Merge.PARKED: _parked,
}


def same_key(staged: Staged) -> str:
    """A condition: the target's row `t` and the row `f` have one natural key."""
    return " AND ".join(f"t.{quote(name)} = f.{quote(name)}" for name in staged.table.rule.key)


def as_text(staged: Staged, alias: str, columns: list[str]) -> str:
    """A row as text, as far as it means the same in every environment.

    Ids of processes, which no backup carries, and of versions, which parsing makes, do not enter.
    NULL and '' differ in it; binary values enter by their hash.
    """
    rule = staged.table.rule
    values = [
        f"md5({alias}.{quote(name)})"
        if staged.table.table.columns[name].type == "bytea"
        else f"{alias}.{quote(name)}"
        for name in columns
        if name not in (*rule.nulls, *rule.versions)
    ]
    return f"ROW({', '.join(values)})::text"


def digest(staged: Staged, alias: str) -> str:
    """SQL for a hash of all that a merge writes of the row `alias`."""
    return f"md5({as_text(staged, alias, staged.targets)})"
