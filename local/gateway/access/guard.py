"""Lets a call pass or refuses it, as IAM does, and remembers both."""

import logging
import threading
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from moto.sts.models import sts_backends

from local.gateway.access.callers import Caller
from local.gateway.access.conditions import PolicyError
from local.gateway.access.deployed import Deployed
from local.gateway.access.ledger import Ledger
from local.gateway.access.needs import Need, needs
from local.gateway.access.policy import Ask, Verdict, judge, trusts
from local.gateway.access.requests import UnreadableError, read
from local.gateway.scope import Scope, access_key
from local.gateway.world import Credentials

log = logging.getLogger(__name__)
_SAY_FOR_WHOM = frozenset({"cloudwatch.amazonaws.com"})
"""Services that tell a topic and its key for which account and resource they call; EventBridge does
not (SNS developer guide, "Enable compatibility between event sources and encrypted topics")."""
_SERVICES_JUDGED = ("sns", "kms")
"""A service in its own name needs a statement in the policies of these."""


class DeniedError(ValueError):
    """A service may not act as a role."""


class Guard:
    """Knows every caller's credentials, and what the deployed policies say.

    A role is judged on each call. Who is neither a role nor a service is the operator, who is not.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._deployed = Deployed(account)
        self._ledger = Ledger()
        self._lock = threading.Lock()
        self._issued: dict[Caller, Credentials] = {}
        self._callers: dict[str, Caller] = {}

    # credentials

    def credentials(self, caller: Caller) -> Credentials:
        """The caller's own; made when first asked for."""
        with self._lock:
            known = self._issued.get(caller)
            if known is None:
                known = self._issue(caller)
                self._issued[caller] = known
                self._callers[known.access_key] = caller
            return known

    def acting(
        self, role: str, service: str, *, session: str, subnets: tuple[str, ...] | None = None
    ) -> Credentials:
        """What a service gets to act as a role.

        Args:
            subnets: as in `Caller`.

        Raises:
            DeniedError: the role's trust policy does not let it.
        """
        # Neither of these two says for whose account it acts.
        told = (
            {}
            if service in ("lambda.amazonaws.com", "s3.amazonaws.com")
            else {"aws:SourceAccount": self._account}
        )
        if not self.assumes(role, service, told):
            message = f"{service} may not assume {role}: its trust policy does not allow it"
            self._ledger.refused(service, "sts:AssumeRole", role, "", message)
            raise DeniedError(message)
        return self.credentials(Caller(role=role, session=session, subnets=subnets))

    def _issue(self, caller: Caller) -> Credentials:
        if caller.service:
            key = f"ASIA{uuid.uuid4().hex[:16].upper()}"
            return Credentials(key, uuid.uuid4().hex, uuid.uuid4().hex)
        partition = caller.role.split(":")[1]
        assumed = sts_backends[self._account][partition].assume_role(
            region_name="aws-global",
            role_session_name=caller.session,
            role_arn=caller.role,
            policy="",
            duration=3600,
            external_id="",
        )
        return Credentials(assumed.access_key_id, assumed.secret_access_key, assumed.session_token)

    def caller(self, environ: dict[str, Any]) -> Caller | None:
        """Who made a request; None for the operator."""
        key = access_key(environ)
        if key is None:
            return None
        known = self._callers.get(key)
        if known is None and key.startswith("ASIA"):
            assumed = sts_backends[self._account]["aws"].get_assumed_role_from_access_key(key)
            if assumed is not None:
                known = self._callers[key] = Caller(
                    role=assumed.role_arn, session=assumed.session_name
                )
        return known

    # judgement

    def refusal(self, environ: dict[str, Any], scope: Scope) -> str | None:
        """Why a request is not allowed; None if it is."""
        caller = self.caller(environ)
        if caller is None or scope.service is None:
            return None
        try:
            call = read(environ, scope, self._account, _partition(caller))
        except UnreadableError as error:
            message = f"User: {caller.arn}: the local AWS cannot tell what is asked for: {error}"
            self._ledger.refused(caller.name, scope.operation, "", scope.regions[0], message)
            return message
        return self.judged(caller, call.region, needs(call, self._deployed))

    def judged(self, caller: Caller, region: str, asked: Iterable[Need]) -> str | None:
        """Why `caller` may not do all that is asked for; None if it may."""
        for need in asked:
            if caller.service and need.action.partition(":")[0] not in _SERVICES_JUDGED:
                continue
            message = self._one(caller, region, need)
            if message is not None:
                return message
        return None

    def key(self, region: str, key: str | None) -> str:
        """ARN of the key behind an id, an ARN or an alias; empty for none."""
        return self._deployed.key(region, key or "")

    def assumes(self, role_arn: str, service: str, told: Mapping[str, str] | None = None) -> bool:
        """Whether the role's trust policy lets a service act as the role."""
        return trusts(self._deployed.trust(role_arn), service, told or {}, self._account)

    def describe(self) -> dict[str, Any]:
        """What was asked for, and which grants nobody has used so far."""
        found = self._ledger.describe()
        used = {tuple(one.values()) for one in found["uses"]}
        unused = [
            {"role": role.name, "policy": policy, "action": action, "resource": resource}
            for role in self._deployed.roles().values()
            for policy, action, resource in self._granted(role.arn)
            if (role.name, policy, action, resource) not in used
        ]
        return {**found, "unused": unused}

    def _granted(self, role_arn: str) -> list[tuple[str, str, str]]:
        own, _ = self._deployed.identity(role_arn)
        return sorted(
            {
                (one.policy, action, resource)
                for one in own
                if one.allow
                for action in one.actions
                for resource in one.resources
            }
        )

    def _one(self, caller: Caller, region: str, need: Need) -> str | None:
        resources: tuple[str | None, ...] = need.resources or (None,)
        verdict = Verdict(False)
        for resource in resources:
            verdict = self._verdict(caller, region, need, resource)
            if verdict.allowed:
                self._ledger.allowed(caller.name, need.action, resource or "", verdict.uses)
                return None
        first = resources[0] or "*"
        message = (
            f"User: {caller.arn} is not authorized to perform: {need.action} on resource: "
            f"{first} {verdict.reason}"
        )
        log.warning("%s", message)
        self._ledger.refused(caller.name, need.action, first, region, message)
        return message

    def _verdict(self, caller: Caller, region: str, need: Need, resource: str | None) -> Verdict:
        ask = Ask(need.action, resource, self._context(caller, region, need.context, resource))
        try:
            policies = self._deployed.policies(caller.role, resource)
            return judge(ask, caller, policies, self._account)
        except PolicyError as error:
            return Verdict(False, (), f"because the local AWS cannot judge it: {error}")

    def _context(
        self,
        caller: Caller,
        region: str,
        own: Mapping[str, str],
        resource: str | None,
    ) -> dict[str, tuple[str, ...]]:
        """What every request carries, and what is known of its resource.

        The local AWS speaks plain HTTP; on AWS every SDK speaks TLS.
        """
        found: dict[str, tuple[str, ...]] = {
            "aws:securetransport": ("true",),
            "aws:requestedregion": (region,),
            "aws:resourceaccount": (self._account,),
            **{key.lower(): (value,) for key, value in own.items()},
        }
        if caller.role:
            found["aws:principalaccount"] = (self._account,)
            found["aws:principalarn"] = (caller.role,)
            found["aws:principaltype"] = ("AssumedRole",)
        else:
            found["aws:principalservicename"] = (caller.service,)
            found["aws:principalisawsservice"] = ("true",)
            if caller.service in _SAY_FOR_WHOM:
                found["aws:sourceaccount"] = (self._account,)
                found["aws:sourceowner"] = (self._account,)
                found["aws:sourcearn"] = (caller.source,)
        if resource is not None and resource.split(":")[2:3] == ["kms"]:
            found["kms:calleraccount"] = (self._account,)
            aliases = self._deployed.aliases(resource)
            if aliases:
                found["kms:resourcealiases"] = aliases
        return found


def _partition(caller: Caller) -> str:
    return caller.role.split(":")[1] if caller.role else "aws"
