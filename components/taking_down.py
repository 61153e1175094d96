"""Taking an installation down: refused while it would take the live environment along.

`backup.allowDeletion` takes the protection off everything that holds data. While it is set the
program asks who owns the epoch before it registers a single resource, so that an update cannot take
the protection off then; and a hook makes a plain `pulumi destroy`, which does not run the program,
refuse to begin.
"""

import pulumi
import pulumi_aws as aws

from components.base import Place
from contract import keys
from contract.created import CreatedEnvironment
from contract.ownership import INITIAL, Ownership
from contract.sites import Site, Strategy

MISSING = ("NoSuchBucket", "NoSuchKey", "NotFound", "404", "couldn't find resource")
"""Words by which the provider says that there is no such object, or no bucket for it yet."""


class TakingDownError(pulumi.RunError):
    """The installation must not be taken down now."""


def guard_of(place: Place) -> pulumi.ResourceHook | None:
    """The hook that the state table is to be deleted under; None where nothing can be deleted.

    Raises:
        TakingDownError: the DR site owns the epoch, or an environment there belongs to no stack.
    """
    if place.keep:
        return None
    _check(place)
    return pulumi.ResourceHook("no-live-environment", _has_been_checked)


def _has_been_checked(_: pulumi.ResourceHookArgs) -> None:
    """That there is a hook is what counts: under one the engine deletes nothing unless the program
    runs, and the program has looked before it came here."""


def guarded(hook: pulumi.ResourceHook | None) -> pulumi.ResourceOptions:
    """The option that puts a resource's deletion under the hook."""
    if hook is None:
        return pulumi.ResourceOptions()
    return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_delete=[hook]))


def _check(place: Place) -> None:
    reason = refusal(
        place,
        record=_read(place, keys.OWNERSHIP),
        created=_read(place, keys.created_environment(Site.DR)),
    )
    if reason:
        raise TakingDownError(f"mwaa-dr:backup.allowDeletion: true is refused now: {reason}")


def refusal(place: Place, *, record: str, created: str) -> str:
    """Why the installation must not be taken down; empty if nothing stands against it.

    Args:
        record: the ownership record's text, empty if there is none.
        created: the text of what a recovery created, empty if none ever did.
    """
    ownership = Ownership.from_json(record) if record else INITIAL
    if ownership.owned_by(Site.DR):
        return (
            f"the DR site owns epoch {ownership.epoch}, and its environment is the live one; run "
            "`mwaa-dr failback` first"
        )
    made = CreatedEnvironment.from_json(created) if created else None
    of_no_stack = place.settings.strategy is Strategy.BACKUP_RESTORE and not place.settings.adopted
    if made and not made.gone_at and of_no_stack:
        return (
            f"environment {made.name} in {place.region}, which {made.incident_id} created, belongs "
            "to no stack and would stay behind; `mwaa-dr adopt --release` removes it"
        )
    return ""


def _read(place: Place, key: str) -> str:
    """An object of the DR backup bucket; empty if there is none."""
    try:
        found = aws.s3.get_object(bucket=place.backup_bucket, key=key, region=place.region)
    except Exception as error:
        if any(word in str(error) for word in MISSING):
            return ""
        raise TakingDownError(
            f"mwaa-dr:backup.allowDeletion: true is refused now: s3://{place.backup_bucket}/{key} "
            f"cannot be read, so that nobody knows which environment is the live one: {error}"
        ) from error
    return found.body
