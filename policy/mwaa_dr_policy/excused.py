"""The exceptions themselves: none is forgotten, none outlives its reason."""

from mwaa_dr_policy.exceptions import MAX_DAYS, SOON_DAYS
from mwaa_dr_policy.rule import LedgerRule, Level, Severity

EXCEPTION_CURRENT = LedgerRule(
    name="mwaa-dr-exception-current",
    description="Every exception is needed, and none is about to end unnoticed.",
    why=(
        "An exception that nothing needs any more hides the next violation; one that ends "
        "unannounced stops an update on the day it is needed most."
    ),
    remedy=(
        f"Remove it, or mend what it excuses before it ends (announced {SOON_DAYS} days ahead; "
        f"none may end more than {MAX_DAYS} days ahead)."
    ),
    severity=Severity.MEDIUM,
    level=Level.ADVISORY,
)

RULES = (EXCEPTION_CURRENT,)
