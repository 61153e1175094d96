"""How long an owner may have lived on after it was last seen."""

from datetime import datetime, timedelta

from contract.agent_config import AgentConfig

MISSED_PULSES = 2
"""The next one may have been on its way, behind a busy scheduler."""


def lived_until(config: AgentConfig, seen_at: str) -> datetime | None:
    """The latest moment at which the old owner may have begun a run; None if nobody saw it.

    Args:
        seen_at: its last sign of life, ISO 8601, or empty.
    """
    if not seen_at:
        return None
    grace = timedelta(seconds=MISSED_PULSES * config.agent_seconds)
    return datetime.fromisoformat(seen_at) + grace
