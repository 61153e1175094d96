"""Keeps a standby equal to its source: applies what changed since the backup that it holds."""

# ruff: noqa: S608 - identifiers come from the catalogue and the rules and are quoted

from contract.manifest import Manifest, ObjectSet
from mwaa_dr_metadata import notes
from mwaa_dr_metadata.backups import Backup, chain_since, open_chain
from mwaa_dr_metadata.bulk import analyze
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.deletions import Deletions, read_deletions, refuse_suspects
from mwaa_dr_metadata.merge import Mode, delete_surplus
from mwaa_dr_metadata.parent import run_keys
from mwaa_dr_metadata.parts import KEYS, stage_keys
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.selection import SHARED, guards
from mwaa_dr_metadata.session import Session, literal, quote
from mwaa_dr_metadata.staging import stage
from mwaa_dr_metadata.state import unit_conditions
from mwaa_dr_metadata.work import Work


def write(work: Work) -> None:
    """Bring the target to the backup, by the shortest way that there is.

    Each step can be repeated; the marker moves last. Without a marker, or where the backups between
    are gone, everything is written anew.
    """
    held = held_snapshot(work)
    newest, storage = work.backup, work.backup.storage
    deltas = chain_since(storage, work.sealer, newest.manifest_key, held) if held else None
    if not work.options.allow_mass_delete:
        ids = None if deltas is None else {one.manifest.backup_id for one in deltas}
        for manifest in [one.manifest for one in deltas or [newest]]:
            refuse_suspects(manifest, ids)
    if deltas is None:
        rewrite(work)
    for delta in deltas or []:
        _delta(work, delta)
    if deltas == []:
        # Nothing is new; but whoever promotes it is to know what is unfinished, and that it fits.
        work.resume(follow=True, only=frozenset())
        work.results.applied.clear()


def held_snapshot(work: Work) -> tuple[str, str] | None:
    """(system identifier, snapshot) that the target holds; None if it does not say so."""
    with transaction(work.engine) as session:
        held = notes.read(session, notes.HOLDS)
    return (held["system_identifier"], held["snapshot"]) if "snapshot" in held else None


def rewrite(work: Work) -> None:
    """Bring the target to the backup, whatever it holds."""
    whole = work.with_chain(open_chain(work.backup.storage, work.sealer, work.backup.manifest_key))
    with transaction(work.engine) as session:
        notes.forget(session, notes.HOLDS)
        _empty_ledgers(work, session)
    whole.history(replace_runs=True)
    known = frozenset(run_keys(work.backup).values())

    def others(session: Session) -> None:
        stage_keys(session, known)
        guard = " AND ".join(guards(work.plan.tables["dag_run"].rule))
        work.results.removed = session.execute(
            f"DELETE FROM dag_run t WHERE {guard} AND NOT EXISTS "
            f"(SELECT FROM {KEYS} k WHERE k.dag_id = t.dag_id AND k.run_id = t.run_id)"
        )
        _mark(session, work.backup.manifest)

    work.resume(follow=True, also=others)
    with transaction(work.engine) as session:
        analyze(session, work.plan)


def _empty_ledgers(work: Work, session: Session) -> None:
    """Rows without a key cannot be replaced; those that the standby wrote since are its own."""
    at = literal(work.backup.manifest.snapshot_at)
    for table in work.plan.tables.values():
        if table.rule.merge is Merge.LEDGER:
            old = f"t.{quote(table.rule.time)} <= {at}::timestamptz"
            where = " AND ".join([*guards(table.rule), old])
            session.execute(f"DELETE FROM {quote(table.name)} t WHERE {where}")


def _delta(work: Work, delta: Backup) -> None:
    """One backup's changes: changed runs, then the resume set with all that went."""
    deletions = read_deletions(delta)
    steps, mode = work.changes(delta), Mode(replace=True, follow=True)
    for step in steps:
        if step.group == SHARED:
            work.write_step(step, mode)
    work.write_together([step for step in steps if step.group != SHARED], mode)

    def gone(session: Session) -> None:
        stage_keys(session, deletions.gone)
        work.results.removed += session.execute(
            f"DELETE FROM dag_run t USING {KEYS} k "
            "WHERE k.dag_id = t.dag_id AND k.run_id = t.run_id"
        )
        _prune_ledgers(work, session, delta, deletions)
        _mark(session, delta.manifest)

    work.resume(delta, follow=True, only=deletions.changed, also=gone)


def _prune_ledgers(work: Work, session: Session, delta: Backup, deletions: Deletions) -> None:
    """Hours that lost rows keep only what the backup has of them."""
    items = {item.table: item for item in delta.objects(ObjectSet.CHANGES)}
    for name, units in deletions.units.items():
        table = work.plan.tables[name]
        session.execute(f"DROP TABLE IF EXISTS {quote(f'mwaa_dr_stage_{name}')}")
        staged = stage(session, delta, items.get(name), table, None, allow_unencrypted=False)
        hours = " OR ".join(f"({one})" for one in unit_conditions(table, units))
        where = " AND ".join([f"({hours})", *guards(table.rule)])
        delete_surplus(session, staged, f"{quote(name)} t WHERE {where}")


def mark(work: Work) -> None:
    """Remember that the target holds all that the backup has, so that it can follow from there."""
    with transaction(work.engine) as session:
        _mark(session, work.backup.manifest)


def _mark(session: Session, manifest: Manifest) -> None:
    held = {
        "system_identifier": manifest.system_identifier,
        "snapshot": manifest.snapshot,
        "snapshot_at": manifest.snapshot_at,
        "backup_id": manifest.backup_id,
    }
    notes.write(session, notes.HOLDS, held)
