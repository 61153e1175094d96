"""An MWAA emulator without Airflow: it remembers what it was asked."""

import json
from pathlib import Path
from typing import Any


class StandIn:
    def __init__(self, root: Path, endpoint: str, account: str, *, ahead: float = 0.0) -> None:
        self.root, self.endpoint, self.account, self.ahead = root, endpoint, account, ahead
        self.lost: list[str] = []
        self.made: dict[tuple[str, str], dict[str, Any]] = {}

    def handle(
        self, region: str, method: str, path: str, query: str, body: bytes, **more: object
    ) -> tuple[int, dict[str, str], bytes]:
        del query, more
        json_header = {"Content-Type": "application/json"}
        name = path.rsplit("/", 1)[-1]
        if method == "PUT":
            arn = f"arn:aws:airflow:{region}:{self.account}:environment/{name}"
            self.made[region, name] = {**json.loads(body), "Name": name, "Arn": arn}
            return 200, json_header, json.dumps({"Arn": arn}).encode()
        if (region, name) in self.made:
            shown = {**self.made[region, name], "Status": "AVAILABLE", "CreatedAt": 1.5e9}
            return 200, json_header, json.dumps({"Environment": shown}).encode()
        missing = {**json_header, "x-amzn-ErrorType": "ResourceNotFoundException"}
        return 404, missing, json.dumps({"message": f"{name} not found"}).encode()

    def lose_region(self, region: str) -> None:
        self.lost.append(region)

    def restore_region(self, region: str) -> None:
        self.lost.remove(region)

    def lose_environment(self, region: str, name: str) -> None:
        self.lost.append(f"{region}/{name}")

    def restore_environment(self, region: str, name: str) -> None:
        self.lost.remove(f"{region}/{name}")

    def describe(self) -> list[dict[str, Any]]:
        return [
            {"region": region, "name": name, "lost": region in self.lost}
            for region, name in self.made
        ]

    def close(self) -> None:
        (self.root.parent / "mwaa-closed").touch()
