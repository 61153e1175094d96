"""The life of one environment: its document, its status, and the work behind each status."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.mwaa import errors, events, prerequisites, record
from local.mwaa.aws import Aws
from local.mwaa.family import numbers
from local.mwaa.folders import Folders
from local.mwaa.launch import Timing
from local.mwaa.record import Place
from local.mwaa.runtime import EndedError, Runtime, StartError
from local.mwaa.validation import check_rules

log = logging.getLogger(__name__)

INCORRECT_CONFIGURATION = "INCORRECT_CONFIGURATION"
LONGEST_MESSAGE = 1024
UPDATABLE = frozenset({"AVAILABLE", "UPDATE_FAILED"})
DELETABLE = UPDATABLE | {"CREATE_FAILED", "UNAVAILABLE"}
USABLE = UPDATABLE | {"UPDATING", "MAINTENANCE"}
"""In these statuses there is a web server to ask."""


class Environment:
    """One environment.

    Args:
        wanted: a CreateEnvironment request that passed validation, with its defaults.
        on_gone: called when a deletion is done.
    """

    def __init__(
        self,
        place: Place,
        wanted: Mapping[str, Any],
        folders: Folders,
        *,
        aws: Aws,
        timing: Timing,
        on_gone: Callable[["Environment"], None],
    ) -> None:
        self.place, self.aws, self._on_gone = place, aws, on_gone
        self.document = record.created(place, wanted, time.time())
        self.runtime = Runtime(wanted["Name"], place, folders, aws=aws, timing=timing)
        self._lock = threading.RLock()
        self._alive = threading.Event()
        self._alive.set()
        self._closed = False
        self._outages = 0
        folders.make()
        self._work(self._create)

    # -- what the API asks ---------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.document["Name"]

    @property
    def status(self) -> str:
        return self.document["Status"]

    @property
    def lost(self) -> bool:
        return not self._alive.is_set()

    def update(self, request: Mapping[str, Any]) -> None:
        """Start an update.

        Raises:
            ApiError: ValidationException if the status or the request does not allow it.
        """
        with self._lock:
            self._require(UPDATABLE, "updated")
            before = self.document
            after, changed = record.updated(self.place, before, request)
            check_rules(after)
            if numbers(after["AirflowVersion"]) < numbers(before["AirflowVersion"]):
                raise errors.validation(
                    f"AirflowVersion {after['AirflowVersion']!r} is older than the environment's "
                    f"{before['AirflowVersion']!r}; a downgrade is not emulated"
                )
            self._refuse_if(after, prerequisites.AT_REQUEST)
            last = {
                "CreatedAt": time.time(),
                "Source": "UpdateEnvironment",
                "WorkerReplacementStrategy": request.get("WorkerReplacementStrategy", "FORCED"),
            }
            self._set(
                "CREATING_SNAPSHOT" if "AirflowVersion" in changed else "UPDATING",
                LastUpdate={**last, "Status": "PENDING"},
            )
        self._work(lambda: self._update(before, after, changed, last))

    def delete(self) -> None:
        """Start the deletion. Raises ApiError if the status does not allow it."""
        with self._lock:
            self._require(DELETABLE, "deleted")
            self._set("DELETING")
        self._work(self._delete)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        with self._lock:
            self.document = {**self.document, "Tags": dict(tags)}

    def lose(self, *, broken: bool = False) -> None:
        """The Region died: kill Airflow at once and keep it down.

        Args:
            broken: the environment died and not the Region, so that MWAA can say so.
        """
        self._outages += 1
        self._alive.clear()
        self.runtime.kill()
        if broken:
            self._set("UNAVAILABLE")

    def restore(self) -> None:
        """The Region is back: start Airflow again, as it was configured."""
        if self.lost:
            if self.status == "UNAVAILABLE":
                self._set("AVAILABLE")
            self._alive.set()
            if self.status in UPDATABLE:  # in the others a start waits for the Region
                self._work(self._resume)

    def close(self) -> None:
        """End every process, the database too. Nothing can be done with it afterwards."""
        self._closed = True
        self._alive.set()
        self.runtime.close()

    # -- the work ------------------------------------------------------------------------------

    def _work(self, what: Callable[[], None]) -> None:
        def run() -> None:
            try:
                what()
            except EndedError:
                log.info("%s/%s: ended while starting", self.place.region, self.name)
            except Exception:
                log.exception("%s/%s: the emulator failed", self.place.region, self.name)
                self._set("UNAVAILABLE")

        threading.Thread(target=run, daemon=True, name=f"mwaa-{self.name}").start()

    def _set(self, status: str, **members: Any) -> None:  # noqa: ANN401
        with self._lock:
            self.document = {**self.document, **members, "Status": status}
        log.info("%s/%s: %s", self.place.region, self.name, status)
        events.announce(self.aws, self.place, self.name, status)

    def _require(self, allowed: frozenset[str], verb: str) -> None:
        if self.status not in allowed:
            raise errors.validation(
                f"Environment {self.name} is {self.status} and cannot be {verb}; "
                f"it must be {' or '.join(sorted(allowed))}"
            )

    def _refuse_if(
        self, document: Mapping[str, Any], checks: tuple[prerequisites.Check, ...]
    ) -> None:
        for fault in self.faults(self.aws, self.place, document, checks):
            raise errors.validation(fault)

    @staticmethod
    def faults(
        aws: Aws,
        place: Place,
        document: Mapping[str, Any],
        checks: tuple[prerequisites.Check, ...],
    ) -> list[str]:
        return prerequisites.faults(prerequisites.Environment(aws, place.region, document), checks)

    def _require_all(self, document: Mapping[str, Any]) -> None:
        """Raises StartError naming everything that is missing."""
        found = self.faults(self.aws, self.place, document, prerequisites.AT_CREATION)
        if found:
            raise StartError("; ".join(found))

    def _start(self, document: Mapping[str, Any]) -> None:
        """Start, and again after each loss of the Region. Raises StartError."""
        while True:
            self._alive.wait()
            outages = self._outages
            if self._closed:
                raise EndedError
            try:
                self._require_all(document)
                self.runtime.start(document)
            except EndedError:
                if self._closed or self._outages == outages:
                    raise
            except (BotoCoreError, ClientError) as error:
                raise StartError(f"AWS does not answer: {error}") from error
            else:
                return

    def _create(self) -> None:
        begun = time.monotonic()
        last = {"CreatedAt": time.time(), "Source": "CreateEnvironment"}
        try:
            self._start(self.document)
        except StartError as error:
            self.runtime.kill()
            self._set("CREATE_FAILED", LastUpdate=_failed(last, error))
            return
        self._set(
            "AVAILABLE",
            WebserverUrl=f"http://127.0.0.1:{self.runtime.web_port}",
            LastUpdate={**last, "Status": "SUCCESS"},
        )
        log.info("%s/%s: created in %.1f s", self.place.region, self.name, time.monotonic() - begun)

    def _resume(self) -> None:
        try:
            self._start(self.document)
        except StartError as error:
            self.runtime.kill()
            log.warning("%s/%s: does not come back: %s", self.place.region, self.name, error)
            self._set("UNAVAILABLE")

    def _update(
        self,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        changed: frozenset[str],
        last: Mapping[str, Any],
    ) -> None:
        restart = bool(changed & record.RESTARTS)
        try:
            if restart:
                self._set("UPDATING")
                self.runtime.kill()
                self._start(after)
            else:
                self._require_all(after)
        except StartError as error:
            if restart:
                self._set("ROLLING_BACK")
                self.runtime.kill()
                self._start(before)
            self._set("UPDATE_FAILED", LastUpdate=_failed(last, error))
            return
        tags = self.document["Tags"]
        with self._lock:
            self.document = {**after, "Tags": tags}
        self._set("AVAILABLE", LastUpdate={**last, "Status": "SUCCESS"})

    def _delete(self) -> None:
        self.runtime.close()
        self.runtime.folders.clear()
        self._on_gone(self)


def _failed(last: Mapping[str, Any], error: StartError) -> dict[str, Any]:
    return {
        **last,
        "Status": "FAILED",
        "Error": {
            "ErrorCode": INCORRECT_CONFIGURATION,
            "ErrorMessage": str(error)[:LONGEST_MESSAGE],
        },
    }
