"""Says what a move of the ownership is going to do, before anything is done."""

from dataclasses import dataclass
from typing import Any

from cli import show, store
from cli.place import Place
from contract.keys import BackupPlace
from contract.ownership import Ownership
from contract.sites import Site
from contract.state import IncidentKind

TITLES = {
    IncidentKind.FAILOVER: "{target} takes over from {owner}",
    IncidentKind.PLANNED_FAILOVER: "{owner} hands over to {target}",
    IncidentKind.FAILBACK: "{owner} hands back to {target}",
    IncidentKind.RESTORE: "{owner} goes back to an older backup",
    IncidentKind.DRILL: "a drill: {target} restores a backup and runs nothing",
}


@dataclass(frozen=True, slots=True)
class Preview:
    """What is going to happen.

    Args:
        course: the input of the recovery, as the control plane gives it.
        backup: the one that would be restored if it began now; None if there is none.
    """

    kind: IncidentKind
    incident_id: str
    is_new: bool
    ownership: Ownership
    course: dict[str, Any]
    backup: BackupPlace | None

    @property
    def target(self) -> Site:
        return Site(self.course["target"])

    @property
    def age_seconds(self) -> float | None:
        return None if self.backup is None else show.age_of(self.backup.at)

    def to_dict(self) -> dict[str, Any]:
        return {
            "incident_id": self.incident_id,
            "new": self.is_new,
            "kind": self.kind.value,
            "owner": self.ownership.owner.value,
            "target": self.target.value,
            "epoch": self.ownership.epoch,
            "next_epoch": self._next_epoch,
            "standby": self.ownership.standby.value,
            "steps": self.steps(),
            "backup": None if self.backup is None else self.backup.backup_id,
            "backup_age_seconds": self.age_seconds,
            "at_risk": self.at_risk(),
        }

    @property
    def _next_epoch(self) -> int:
        return self.ownership.epoch + (self.kind is not IncidentKind.DRILL)

    def title(self) -> str:
        return TITLES[self.kind].format(owner=self.ownership.owner, target=self.target)

    def rows(self) -> list[tuple[str, str]]:
        """What a person reads before saying yes."""
        epoch = self.ownership.epoch
        moves = self._next_epoch != epoch
        return [
            ("incident", self.incident_id + ("" if self.is_new else ", which is open already")),
            ("epoch", f"{epoch} becomes {self._next_epoch}" if moves else f"{epoch}, and stays"),
            ("backup", self._backup()),
            ("at risk", self.at_risk()),
            *((f"step {number}", step) for number, step in enumerate(self.steps(), 1)),
        ]

    def _backup(self) -> str:
        if self.backup is None:
            return "none: it will fail unless the owner still writes one"
        age = show.duration(self.age_seconds or 0)
        return f"{self.backup.backup_id} of {self.backup.site} ({age} old)"

    def at_risk(self) -> str:
        """What may be lost, in words and with the backup's age."""
        owner, age = self.ownership.owner, show.duration(self.age_seconds or 0)
        if self.kind is IncidentKind.DRILL:
            return "nothing: production and the ownership stay as they are"
        if self.course["wanted"]:
            return f"what {owner} did in the last {age}: the backup is {age} old"
        if self.course["planned"]:
            return f"nothing: {owner} writes a final backup once it is fenced and drained"
        if self.backup is None:
            return f"all that {owner} did"
        return f"what {owner} did in the last {age}, unless it still answers and writes a backup"

    def steps(self) -> list[str]:
        """The way it goes, in the order of the recovery machine."""
        owner, target, course = self.ownership.owner, self.target, self.course
        prepare = {
            IncidentKind.FAILOVER: [f"fence {owner} if it still answers, and let it export"],
        }.get(self.kind, [])
        if course["create"]:
            ready = f"create the environment of {target} from the captured configuration"
        else:
            ready = f"check that the environment of {target} is ready"
        reconcile = [f"keep what {target} did alone, then reconcile it with {owner}"]
        hand_over = [f"fence {owner}, wait for its running tasks, take a final backup"]
        promote = [f"make {target} the owner of epoch {self._next_epoch}"]
        return [
            *(["wait for a person to approve"] if course["approval"] else []),
            *prepare,
            ready,
            *(reconcile if course["reconcile"] else []),
            *(hand_over if course["planned"] else []),
            f"restore the backup at {target}",
            *(
                [f"remove the environment of {target} again"]
                if self.kind is IncidentKind.DRILL and course["create"]
                else []
            ),
            *(
                []
                if self.kind is IncidentKind.DRILL
                else [*promote, f"un-pause at {target} what was active"]
            ),
        ]


def preview(place: Place, kind: IncidentKind, seen: Ownership, answer: dict[str, Any]) -> Preview:
    """What the answer of the control plane means, with the backup that it would take now."""
    wanted = answer["input"]["wanted"]
    newest = store.newest_complete(place, seen.owner)
    backup = store.chosen(place, wanted)[0] if wanted else newest
    return Preview(kind, answer["incident_id"], answer["new"], seen, answer["input"], backup)
