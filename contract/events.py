"""EventBridge events that every transition of an incident puts on the default bus in DR."""

SOURCE = "mwaa-dr"


class DetailType:
    VERDICT_CHANGED = "MWAA DR Verdict Changed"
    INCIDENT_OPENED = "MWAA DR Incident Opened"
    INCIDENT_STEP = "MWAA DR Incident Step"
    INCIDENT_CLOSED = "MWAA DR Incident Closed"
