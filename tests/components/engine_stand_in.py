"""An MWAA without Airflow for the engine tests: it makes, shows and removes environments.

What they prove is about the program and the engine; a real environment costs a minute of processor
time and is what the drill is for.
"""

import json

from tests.gateway.mwaa_stand_in import StandIn

JSON = {"Content-Type": "application/json"}


class Removable(StandIn):
    """Environments that also can be deleted and that have a web server."""

    def handle(self, region, method, path, query, body, **_more):
        name = path.rsplit("/", 1)[-1]
        if method == "DELETE":
            self.made.pop((region, name), None)
            return 200, JSON, b"{}"
        if method == "PUT":
            body = json.dumps({**json.loads(body), "WebserverUrl": "airflow.example.com"}).encode()
        return super().handle(region, method, path, query, body)
