"""How the DR site gets ready: one module per strategy, chosen by the setting."""

from components.strategies.backup_restore import backup_restore
from components.strategies.base import DrStrategy
from contract.sites import Strategy

STRATEGIES: dict[Strategy, DrStrategy] = {
    Strategy.BACKUP_RESTORE: backup_restore,
}

__all__ = ["STRATEGIES"]
