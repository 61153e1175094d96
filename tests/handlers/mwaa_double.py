"""An MWAA without Airflow: a file says what becomes of the environments that it creates.

They are CREATING, and later DELETING, for a few seconds, as long as AWS takes half an hour.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CREATED = "created-status"
"""File below the emulator's folder: the status that a created environment ends up with."""
BUSY_SECONDS = 3


class MwaaDouble:
    """What `local.gateway.mwaa.Environments` asks for."""

    def __init__(self, root: Path, endpoint: str, account: str, *, ahead: float = 0.0) -> None:
        del endpoint, ahead
        self._root, self._account = root, account
        self.now: Callable[[], float] = time.time
        self._made: dict[tuple[str, str], dict[str, Any]] = {}

    def handle(
        self, region: str, method: str, path: str, query: str, body: bytes, **more: object
    ) -> tuple[int, dict[str, str], bytes]:
        del query, more
        key = (region, path.rsplit("/", 1)[-1])
        if path == "/environments":
            return _answer({"Environments": [name for at, name in self._made if at == region]})
        if path.startswith("/restapi/"):
            return _answer({"RestApiStatusCode": 200, "RestApiResponse": {}})
        self._forget(key)
        if method == "PUT":
            return self._create(key, json.loads(body))
        if key not in self._made:
            return _error(404, "ResourceNotFoundException", f"{key[1]} not found")
        if method == "DELETE":
            return self._delete(key)
        return _answer({"Environment": self._shown(*key)})

    def _delete(self, key: tuple[str, str]) -> tuple[int, dict[str, str], bytes]:
        if self._shown(*key)["Status"] in ("CREATING", "UPDATING", "DELETING"):
            return _error(400, "ValidationException", f"{key[1]} is busy")
        self._made[key]["DeletedAt"] = self.now()
        return _answer({})

    def _forget(self, key: tuple[str, str]) -> None:
        deleted_at = self._made.get(key, {}).get("DeletedAt")
        if deleted_at is not None and self.now() - deleted_at >= BUSY_SECONDS:
            del self._made[key]

    def _create(
        self, key: tuple[str, str], asked: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        if key in self._made:
            return _error(400, "ValidationException", f"{key[1]} already exists")
        arn = f"arn:aws:airflow:{key[0]}:{self._account}:environment/{key[1]}"
        self._made[key] = {**asked, "Arn": arn, "CreatedAt": self.now()}
        return _answer({"Arn": arn})

    def _shown(self, region: str, name: str) -> dict[str, Any]:
        made = self._made[region, name]
        status = (self._root / f"{CREATED}-{name}").read_text()
        if self.now() - made["CreatedAt"] < BUSY_SECONDS:
            status = "CREATING"
        shown = {key: value for key, value in made.items() if key != "DeletedAt"}
        return {**shown, "Name": name, "Status": "DELETING" if "DeletedAt" in made else status}

    def lose_region(self, region: str) -> None:
        del region

    def restore_region(self, region: str) -> None:
        del region

    def lose_environment(self, region: str, name: str) -> None:
        del region
        (self._root / f"{CREATED}-{name}").write_text("UNAVAILABLE")

    def restore_environment(self, region: str, name: str) -> None:
        del region
        (self._root / f"{CREATED}-{name}").write_text("AVAILABLE")

    def describe(self) -> list[dict[str, Any]]:
        return [{"region": region, "name": name} for region, name in self._made]

    def close(self) -> None:
        self._made.clear()


def _answer(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def _error(code: int, kind: str, message: str) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": kind}
    return code, headers, json.dumps({"message": message}).encode()
