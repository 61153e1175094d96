"""How the DR site gets ready: one module per strategy, chosen by the setting."""

from components.strategies.active_passive import active_passive
from components.strategies.backup_restore import backup_restore
from components.strategies.base import DrStrategy
from contract.sites import Strategy

STRATEGIES: dict[Strategy, DrStrategy] = {
    Strategy.BACKUP_RESTORE: backup_restore,
    Strategy.ACTIVE_PASSIVE: active_passive,
}

__all__ = ["STRATEGIES"]
