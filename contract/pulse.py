"""The proof of life that an environment's agent writes into the DR bucket."""

import json
from dataclasses import asdict, dataclass

from contract.sites import Site


@dataclass(frozen=True, slots=True)
class Pulse:
    """A scheduler scheduled, a worker ran, the database answered and the network carried this.

    Args:
        at: ISO 8601, UTC, the worker's clock.
        epoch: the epoch the agent believes in.
        dags: DAGs in the environment, recovery DAGs not counted.
        active_dags: those of them that are not paused.
        import_errors: DAG files that Airflow could not load.
        holds: of a standby, when the snapshot that it holds was taken; ISO 8601, UTC, else empty.
    """

    site: Site
    environment: str
    at: str
    epoch: int
    dags: int
    active_dags: int
    import_errors: int
    holds: str = ""

    @classmethod
    def from_json(cls, text: str | bytes) -> "Pulse":
        """Raises ValueError on anything that is not a whole pulse."""
        try:
            raw = json.loads(text)
            raw["site"] = Site(raw["site"])
            return cls(**raw)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a pulse: {error!r}") from error

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)
