"""Keys: whoever loses the key of a backup has lost the backup."""

import json
from collections.abc import Iterator

from contract.objects import ObjectRole
from contract.sites import Site
from mwaa_dr_policy import documents
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import ALIAS, BUCKET, BUCKET_ENCRYPTION, KEY, REPLICA_KEY
from mwaa_dr_policy.options import BACKUP_BUCKETS, DAG_BUCKETS
from mwaa_dr_policy.rule import Option, Settings, Severity, StackRule
from mwaa_dr_policy.subjects import is_at, is_for, is_precious
from mwaa_dr_policy.values import any_of, either, items, peek

_ROLES = (ObjectRole.DATA_KEY, ObjectRole.SEAL_KEY)
_RULE_KEY = "applyServerSideEncryptionByDefault.kmsMasterKeyId"
_NAMED = (BACKUP_BUCKETS, DAG_BUCKETS)


def _is_tagged(key: Resource) -> bool:
    return any_of(_ROLES, lambda role: is_for(key, role))


def _opens_backups(key: Resource, stack: Stack, settings: Settings) -> bool:
    """Whether it is a data or sealing key, or the key of a backup or DAG bucket."""

    def encrypts(bucket: Resource) -> bool:
        return is_precious(bucket, stack, settings) and any_of(
            stack.attached(BUCKET_ENCRYPTION, "bucket", bucket),
            lambda config: any_of(
                items(config.props, "rules"),
                lambda rule: stack.mentions(config, "rules", peek(rule, _RULE_KEY), key),
            ),
        )

    return either(lambda: _is_tagged(key), lambda: any_of(stack.of(BUCKET), encrypts))


_WAIT = Option(
    key="waitDays",
    default=14,
    description="Shortest waiting time of a deletion, in days; KMS allows 7 to 30.",
    schema={"type": "number", "minimum": 7, "maximum": 30},
)


def _losable(key: Resource, _: Stack, settings: Settings) -> Iterator[str]:
    if not key.protect:
        yield "the Pulumi option `protect` is not set"
    if either(lambda: key.get("isEnabled") is False, lambda: key.get("enabled") is False):
        yield "it is disabled: nothing encrypted with it can be read"
    days = key.get("deletionWindowInDays")
    if days is not None and days < settings[_WAIT.key]:
        yield (
            f"its deletion can be taken back for {days:g} days; {settings[_WAIT.key]:g} are needed"
        )


KEY_KEPT = StackRule(
    name="mwaa-dr-key-kept",
    description="The keys of backups, code and sealed secrets cannot be deleted by a change.",
    why=(
        "A key that is gone takes every backup with it, in both Regions and without appeal once "
        "its waiting time has passed."
    ),
    remedy="Set protect=True, leave the key enabled and deletionWindowInDays at 30.",
    severity=Severity.CRITICAL,
    types=(KEY, REPLICA_KEY),
    options=(_WAIT, *_NAMED),
    applies=_opens_backups,
    check=_losable,
)


def _locked(key: Resource, _: Stack, __: Settings) -> Iterator[str]:
    text = key.get("policy")
    if text is None:
        return  # The policy that KMS gives lets the account manage it.
    try:
        found = documents.statements(text)
    except json.JSONDecodeError as error:
        yield f"its policy is not JSON ({error})"
        return
    if not any(one.allows("kms:PutKeyPolicy") and one.principals for one in found):
        yield "its policy lets nobody manage it"


KEY_MANAGEABLE = StackRule(
    name="mwaa-dr-key-manageable",
    description="Somebody may manage the keys of backups, code and sealed secrets.",
    why=(
        "A key whose policy lets nobody change it can be opened again by AWS support only, and "
        "not within any recovery time objective."
    ),
    remedy="Allow kms:* to the account's root principal in the key's policy.",
    severity=Severity.HIGH,
    types=(KEY, REPLICA_KEY),
    options=_NAMED,
    applies=_opens_backups,
    check=_locked,
)


def _static(key: Resource, _: Stack, __: Settings) -> Iterator[str]:
    if key.get("enableKeyRotation") is not True:
        yield "it is never rotated"


KEY_ROTATED = StackRule(
    name="mwaa-dr-key-rotated",
    description="The keys of backups, code and sealed secrets are rotated each year.",
    why="Backups of years under one key material are all lost to whoever gets it once.",
    remedy="Set enableKeyRotation to true; old backups stay readable.",
    severity=Severity.MEDIUM,
    types=(KEY,),
    options=_NAMED,
    applies=_opens_backups,
    check=_static,
)


def _one_region(key: Resource, _: Stack, __: Settings) -> Iterator[str]:
    if key.get("multiRegion") is not True:
        yield "it exists in its own Region only"


SEAL_KEY_SHARED = StackRule(
    name="mwaa-dr-seal-key-shared",
    description="The key that seals secrets in backups is a multi-Region key.",
    why=(
        "What a key of the primary Region sealed can be opened in that Region only: with the "
        "Region gone, the connections in every backup are unreadable."
    ),
    remedy="Set multiRegion to true and add a ReplicaKey in the other Region.",
    severity=Severity.CRITICAL,
    types=(KEY,),
    applies=lambda key, _, __: is_for(key, ObjectRole.SEAL_KEY),
    check=_one_region,
)


def _unnamed(key: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    if not any_of(stack.of(ALIAS), lambda alias: stack.refers(alias, "targetKeyId", key)):
        yield "no alias leads to it"


KEY_NAMED = StackRule(
    name="mwaa-dr-key-named",
    description="The data and sealing keys of an installation have aliases.",
    why=(
        "The other Region's stack and the backups themselves find a key by its alias: neither may "
        "have to ask a Region that is down for a key's id."
    ),
    remedy="Add an Alias with the key's id as targetKeyId.",
    severity=Severity.HIGH,
    types=(KEY, REPLICA_KEY),
    applies=lambda key, _, __: _is_tagged(key) and any_of(tuple(Site), lambda s: is_at(key, s)),
    check=_unnamed,
)

RULES = (KEY_KEPT, KEY_MANAGEABLE, KEY_ROTATED, SEAL_KEY_SHARED, KEY_NAMED)
