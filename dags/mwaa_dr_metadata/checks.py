"""Reads back what a merge left in the target."""

# ruff: noqa: S608 - identifiers come from the catalogue and the rules and are quoted

from mwaa_dr_metadata.merge import as_text, digest, near, rows_of_mine, same_key, updated
from mwaa_dr_metadata.model import TableCheck
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.selection import RESUME, guards
from mwaa_dr_metadata.session import Session, quote
from mwaa_dr_metadata.staging import MINE, Staged


def check_counts(session: Session, staged: Staged, part: str, written: int) -> TableCheck:
    """Whether every staged row whose run this transaction inserted was written.

    Cheap, and enough where nothing but this transaction can touch those rows and every byte that
    was loaded is authenticated. Rows of other kinds may have been there before, and are compared.
    """
    if staged.table.rule.merge is not Merge.OF_RUN:
        return check(session, staged, part)
    expected = session.value(f"SELECT count(*) FROM {staged.name} s {staged.joins()}")
    return TableCheck(
        staged.table.name,
        part,
        expected,
        written,
        matched=expected == written,
        skipped=staged.rows - expected,
    )


def check(session: Session, staged: Staged, part: str) -> TableCheck:
    """Read back what the target holds for the staged rows: counts, and a digest of the contents.

    An audit against loss, not against an attacker: the digest is a sum of 64 bit hashes.
    """
    table, rule = quote(staged.table.name), staged.table.rule
    if rule.merge is Merge.PARKED:
        return TableCheck(staged.table.name, part, 0, 0, matched=True, skipped=staged.rows)
    if rule.merge is Merge.LEDGER:
        expected, present = _ledger_counts(session, staged)
        return TableCheck(staged.table.name, part, expected, present, expected == present)
    # Serial ids are the target's own.
    serial = "id" if rule.keep_id else ""
    columns = [name for name in staged.targets if name != serial]
    if rule.merge is Merge.KEYED and not part.startswith(RESUME):
        columns = list(rule.key)  # history only adds
    elif rule.merge in (Merge.UPSERT, Merge.MIRROR, Merge.KEYED):
        columns = [*rule.key, *updated(staged)]
    elif rule.merge is Merge.TEMPLATE:
        columns = list(rule.key)
    final = f"({staged.final()}) f"
    if rule.merge is Merge.RUN:
        final += f" JOIN {MINE} m USING (dag_id, run_id)"
    if rule.merge in (Merge.RUN, Merge.OF_RUN):
        source = rows_of_mine(staged)
    else:
        source = f"{table} t WHERE EXISTS (SELECT FROM {final} WHERE {same_key(staged)})"
    expected, wanted = session.row(_summary(staged, "f", columns, final))
    present, found = session.row(_summary(staged, "t", columns, source))
    return TableCheck(
        staged.table.name,
        part,
        expected,
        present,
        matched=(expected, wanted) == (present, found),
        skipped=staged.rows - expected,
        extra=_extra(session, staged),
    )


def _ledger_counts(session: Session, staged: Staged) -> tuple[int, int]:
    return session.row(
        f"""
        WITH f AS (SELECT {digest(staged, "f")} AS d, count(*) AS c
                   FROM ({staged.final()}) f GROUP BY 1),
        t AS (SELECT {digest(staged, "t")} AS d, count(*) AS c
              FROM {quote(staged.table.name)} t
              WHERE {near(session, staged)} GROUP BY 1)
        SELECT coalesce(sum(f.c), 0)::bigint, coalesce(sum(least(f.c, coalesce(t.c, 0))), 0)::bigint
        FROM f LEFT JOIN t ON t.d = f.d
        """
    )


def _extra(session: Session, staged: Staged) -> int:
    rule = staged.table.rule
    if rule.merge is not Merge.UPSERT or rule.update == ():
        return 0
    conditions = " AND ".join([*guards(rule), "TRUE"])
    return session.value(
        f"SELECT count(*) FROM {quote(staged.table.name)} t WHERE {conditions} AND NOT EXISTS"
        f" (SELECT FROM ({staged.final()}) f WHERE {same_key(staged)})"
    )


def _summary(staged: Staged, alias: str, columns: list[str], source: str) -> str:
    row = as_text(staged, alias, columns)
    return f"SELECT count(*), coalesce(sum(hashtextextended({row}, 0)), 0) FROM {source}"
