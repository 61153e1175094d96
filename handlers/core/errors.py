"""Why a step failed. The state machines choose what to do next by these names (`ErrorEquals`)."""


class StepError(Exception):
    """Base of every failure that a step reports on purpose."""


class TransientError(StepError):
    """AWS did not answer, throttled or failed inside: the same call may work in a moment."""


class AwsCallError(StepError):
    """AWS refused the call; trying again changes nothing."""


class RequestError(StepError):
    """The step was called with an event it cannot read."""


class StateConflictError(StepError):
    """Another execution changed the same item at the same time; read it again."""


class OwnershipChangedError(StepError):
    """Someone else moved the ownership record; this incident must not."""


class IncidentOverError(StepError):
    """The incident is closed, or made way for another one: nothing more is done for it."""


class NotHandedOverError(StepError):
    """What would be restored is not the owner's final backup: runs would be lost."""


class NotApprovedError(StepError):
    """A person refused, or nobody answered and the default is to stop."""


class StillMovingError(StepError):
    """What was asked for is on its way; ask again later."""


class NoBackupError(StepError):
    """No backup can be restored."""


class BackupRefusedError(StepError):
    """The agent found that this backup must not be restored; an older one may do."""


class NoConfigurationError(StepError):
    """The environment's configuration was never captured, or cannot be read."""


class ObjectVersionMissingError(StepError):
    """The DR DAG bucket lacks a file that the environment needs."""


class EnvironmentExistsError(StepError):
    """An environment of that name exists and is not ours to use."""


class EnvironmentFailedError(StepError):
    """The DR environment cannot be used."""


class EnvironmentOverdueError(StepError):
    """The DR environment did not become usable in time."""


class OrderFailedError(StepError):
    """The agent says that it could not carry out the order."""


class OrderOverdueError(StepError):
    """The agent did not finish the order in time."""
