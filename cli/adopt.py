"""`mwaa-dr adopt`: what a recovery created becomes part of the `dr` stack, or is let go."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError

from cli import show, store
from cli.adoption import KEY, Adoption, adoption
from cli.place import PREFIX, STACK_FILE, Place, pass_place, stack_file
from cli.stack_file import StackFile
from contract import state
from contract.created import CreatedEnvironment
from contract.metrics import TAG_INCIDENT, TAG_INSTALLATION
from contract.sites import Site, Strategy
from contract.state import IncidentKind, IncidentStatus

USABLE = ("AVAILABLE", "UPDATE_FAILED")
URN = (
    "urn:pulumi:dr::mwaa-dr::mwaadr:adopted:AdoptedEnvironment$aws:mwaa/environment:Environment::"
    "adopted-environment"
)
"""What Pulumi calls the adopted environment."""


@click.command()
@click.option(
    "--release", is_flag=True,
    help="The way back, after a failback: take it out of the stack file, or delete it where it "
    "was never adopted.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, change nothing.")
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of tables.")
@pass_place
def adopt(place: Place, *, release: bool, yes: bool, dry_run: bool, json_: bool) -> None:
    """Write the environment that a recovery created into Pulumi.dr.yaml.

    The next `pulumi up -s dr` imports it, changes nothing of it, and protects it. Done twice it is
    done once; after somebody changed the environment by hand it writes what is there now.
    """
    how = _How(yes, dry_run, json_)
    file = _file()
    if release:
        _release(place, file, how)
    else:
        _adopt(place, file, how)


@dataclass(frozen=True, slots=True)
class _How:
    yes: bool
    dry_run: bool
    json: bool

    def goes_on(self, question: str) -> bool:
        """Whether to do it; raises click.Abort where a person says no."""
        if self.dry_run:
            if not self.json:
                show.line("nothing was changed")
            return False
        if not self.yes:
            click.confirm(question, abort=True, err=True)
        return True


def _file() -> StackFile:
    path = stack_file(Path.cwd())
    if path is None:
        raise click.UsageError(f"there is no {STACK_FILE} here or above: run in its folder")
    return StackFile(path)


def _adopt(place: Place, file: StackFile, how: _How) -> None:
    created, live = _created(place)
    if live is None:
        raise click.ClickException(
            f"environment {created.name}, which {created.incident_id} created, does not exist in "
            f"{place.region} any more; there is nothing to adopt"
        )
    _refuse_what_cannot_be_adopted(place, file, created, live)
    found = _adoption(file, created, live)
    is_new = file.config.get(KEY) != found.section
    if is_new:
        file.config[KEY] = found.section
    answer = {
        "environment": created.name,
        "incident_id": found.section["incident"],
        "file": str(file.path),
        "written": is_new and not how.dry_run,
        "changed_since_created": {
            name: {"asked": asked, "now": now} for name, (asked, now) in found.changed.items()
        },
        "secrets": list(found.secrets),
        "section": found.section,
    }
    if not how.json:
        _show(created, found, file)
    if is_new and how.goes_on(f"Write it into {file.path}?"):
        file.write()
    if how.json:
        show.as_json({**answer, "dry_run": how.dry_run})
        return
    if not is_new:
        show.line(f"{file.path} says so already")
    show.line("next: `pulumi preview -s dr` shows one import and no change; `pulumi up -s dr`")


def _created(place: Place) -> tuple[CreatedEnvironment, dict[str, Any] | None]:
    """What a recovery created, and the environment as it is; None if it is gone."""
    created = store.created_environment(place)
    if created is None or created.gone_at:
        raise click.ClickException(
            f"no recovery of {place.name} has created an environment in {place.region}; there is "
            "nothing to adopt"
        )
    return created, _live(place, created.name)


def _live(place: Place, name: str) -> dict[str, Any] | None:
    try:
        return dict(place.mwaa.get_environment(Name=name)["Environment"])
    except place.mwaa.exceptions.ResourceNotFoundException:
        return None


def _refuse_what_cannot_be_adopted(
    place: Place, file: StackFile, created: CreatedEnvironment, live: dict[str, Any]
) -> None:
    strategy = file.config.get(f"{PREFIX}strategy")
    if strategy != Strategy.BACKUP_RESTORE:
        raise click.ClickException(
            f"{PREFIX}strategy is {strategy}: under it the stack has an environment of its own"
        )
    where = f"environment {created.name} in {place.region}"
    tags = live.get("Tags", {})
    if tags.get(TAG_INSTALLATION) != place.name or TAG_INCIDENT not in tags:
        raise click.ClickException(f"{where} was not created by a recovery of {place.name}")
    if live["Status"] not in USABLE:
        raise click.ClickException(
            f"{where} is {live['Status']}; it can be adopted once it is {' or '.join(USABLE)}"
        )
    incident_id = tags[TAG_INCIDENT]
    incident = store.item(place, state.incident(incident_id)) or {}
    is_drill = state.kind_of(incident_id) is IncidentKind.DRILL
    if is_drill and incident.get("status") == IncidentStatus.OPEN:
        raise click.ClickException(f"{where} is a drill's: {incident_id} removes it when it ends")


def _adoption(file: StackFile, created: CreatedEnvironment, live: dict[str, Any]) -> Adoption:
    config = file.config
    known: dict[str, Any] = {}
    for key, options in (
        (f"{PREFIX}environment", "airflowConfigurationOptions"),
        (f"{PREFIX}recovery", "airflowOptions"),
        (KEY, "airflowConfigurationOptions"),
    ):
        known |= (config.get(key) or {}).get(options) or {}
    return adoption(created, live, known=known, set_tags=config.get(f"{PREFIX}tags") or {})


def _show(created: CreatedEnvironment, found: Adoption, file: StackFile) -> None:
    rows = [("incident", created.incident_id), ("created", show.ago(created.at))]
    plain = {name: one for name, one in found.section.items() if not isinstance(one, dict)}
    rows += [(name, str(value)) for name, value in plain.items()]
    show.table(f"{created.name} goes into {file.path.name}", ("", ""), rows)
    for name, (asked, now) in found.changed.items():
        show.line(f"{name} was created as {asked!r} and is {now!r} now, which is what is written")
    for name in found.secrets:
        show.line(
            f"{name} looks like a secret and is not written in clear: before the update, run "
            f"`pulumi config set -s dr --secret --path "
            f"'{KEY}.airflowConfigurationOptions[\"{name}\"]'`"
        )


def _release(place: Place, file: StackFile, how: _How) -> None:
    record = store.ownership(place)
    if record.owned_by(Site.DR):
        raise click.ClickException(
            f"the DR site owns epoch {record.epoch}: its environment is the live one; run "
            "`mwaa-dr failback` first"
        )
    if KEY in file.config:
        _release_from_stack(file, how)
    else:
        _remove(place, how)


def _release_from_stack(file: StackFile, how: _How) -> None:
    name = str(file.config[KEY]["environmentName"])
    del file.config[KEY]
    steps = [f"pulumi state unprotect '{URN}' -s dr --yes", "pulumi up -s dr"]
    if not how.json:
        show.line(f"{name} goes out of {file.path.name}; the stack then deletes it")
    done = how.goes_on(f"Write {file.path}?")
    if done:
        file.write()
    if how.json:
        show.as_json({"environment": name, "released": done, "next": steps, "dry_run": how.dry_run})
        return
    for step in steps:
        show.line(f"next: `{step}`")


def _remove(place: Place, how: _How) -> None:
    created, live = _created(place)
    tags = {} if live is None else live.get("Tags", {})
    if live is not None and tags.get(TAG_INSTALLATION) != place.name:
        raise click.ClickException(
            f"environment {created.name} in {place.region} was not created by a recovery of "
            f"{place.name}"
        )
    newest = store.item(place, state.OPEN_INCIDENT) or {}
    if newest.get("status") == IncidentStatus.OPEN:
        raise click.ClickException(f"{newest['incident_id']} is open and may need {created.name}")
    what = "is gone already" if live is None else "is deleted, with its metadata database"
    if not how.json:
        show.line(f"{created.name} in {place.region} {what}")
    done = how.goes_on(f"Let go of {created.name}?")
    if done:
        if live is not None:
            _delete(place, created.name)
        gone = replace(created, gone_at=datetime.now(UTC).isoformat())
        store.keep_created_environment(place, gone)
    if how.json:
        answer = {"environment": created.name, "released": done, "next": []}
        show.as_json({**answer, "dry_run": how.dry_run})


def _delete(place: Place, name: str) -> None:
    try:
        place.mwaa.delete_environment(Name=name)
    except ClientError as error:
        raise click.ClickException(f"MWAA does not delete {name}: {error}") from error
