"""`mwaa-dr status`: who owns the epoch, what the monitor thinks, how old the newest backup is."""

from dataclasses import asdict
from typing import Any

import click

from cli import show, store
from cli.place import Place, pass_place
from contract import state
from contract.lifecycle import MEANING, SiteState
from contract.ownership import INITIAL
from contract.sites import Site

SHOWN_EVENTS = 5


def gather(place: Place) -> dict[str, Any]:
    """Everything that the command shows."""
    ownership = store.item(place, state.OWNERSHIP) or asdict(INITIAL)
    readings = store.item(place, state.READINGS) or {}
    backup = store.newest_complete(place, Site(ownership["owner"]))
    return {
        "installation": place.name,
        "ownership": ownership,
        "verdict": readings.get("verdict") or None,
        "since": readings.get("since", ""),
        "last_alive_at": readings.get("last_alive_at", ""),
        "readings": readings.get("readings", []),
        "events": (store.item(place, state.EVENTS) or {}).get("notes", [])[-SHOWN_EVENTS:],
        "backup": None
        if backup is None
        else {"id": backup.backup_id, "age_seconds": show.age_of(backup.at)},
        "incident": store.item(place, state.OPEN_INCIDENT),
    }


@click.command()
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of tables.")
@pass_place
def status(place: Place, json_: bool) -> None:
    """Ownership, verdict, signals and checks, backup age, events of AWS, the newest incident."""
    found = gather(place)
    if json_:
        show.as_json(found)
        return
    owner, backup, incident = found["ownership"], found["backup"], found["incident"]
    standby = SiteState(owner.get("standby", SiteState.STANDBY))
    rows = [
        ("owner", f"{owner['owner']}, epoch {owner['epoch']}, {owner['state']}"),
        (str(Site(owner["owner"]).other), f"{standby}: {MEANING[standby]}"),
        ("verdict", found["verdict"] or "no reading yet"),
        ("since", show.ago(found["since"])),
        ("owner last alive", show.ago(found["last_alive_at"])),
        (
            "newest backup",
            f"{backup['id']} ({show.duration(backup['age_seconds'])} old)" if backup else "none",
        ),
        (
            "newest incident",
            f"{incident['incident_id']}: {incident['status']}" if incident else "none",
        ),
    ]
    show.table(found["installation"], ("", ""), rows)
    for reading in found["readings"][-1:]:
        show.table(
            f"last reading, {show.ago(reading['at'])}: {reading['verdict']}",
            ("signal", "state", "evidence"),
            [
                *((one["signal"], one["state"], one["evidence"]) for one in reading["signals"]),
                *(
                    (f"check {one['check']}", one["state"], one["evidence"])
                    for one in reading.get("checks", [])
                ),
            ],
        )
    if found["events"]:
        show.table(
            "what AWS said lately",
            ("noted", "site", "text"),
            [(show.ago(one["at"]), one["site"], one["text"]) for one in found["events"]],
        )
    if len(found["readings"]) > 1:
        show.table(
            "readings",
            ("at", "verdict", "reasons"),
            [
                (one["at"][:19], one["verdict"], "; ".join(one["reasons"]))
                for one in found["readings"]
            ],
        )
