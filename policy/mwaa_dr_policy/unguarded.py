"""What no rule guards in this project's own stacks, and why: part of the page of the rules.

A test breaks every property and removes every resource of both stacks; what no rule objects to must
be in this table, and everything in this table must be such a property.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

REMOVED = "(removed)"
PROTECTION = "(protect)"


@dataclass(frozen=True, slots=True)
class Unguarded:
    """Properties that may be broken without an objection.

    Args:
        kinds: classes of resources, as patterns.
        paths: properties, as patterns; `REMOVED` and `PROTECTION` stand for the resource itself.
        why: why that is accepted.
        names: names of resources, as patterns, where it is accepted of these alone.
    """

    kinds: tuple[str, ...]
    paths: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ("*",)

    def is_about(self, kind: str, path: str, name: str) -> bool:
        return (
            any(fnmatchcase(kind, one) for one in self.kinds)
            and any(matches(path, one) for one in self.paths)
            and any(fnmatchcase(name, one) for one in self.names)
        )


def matches(path: str, pattern: str) -> bool:
    # `[` would begin a set of characters.
    return fnmatchcase(path.replace("[]", ""), pattern.replace("[]", ""))


_BUCKET_PARTS = (
    *("BucketLifecycleConfiguration", "BucketOwnershipControls", "BucketPolicy"),
    *("BucketPublicAccessBlock", "BucketServerSideEncryptionConfiguration", "BucketVersioning"),
)
UNGUARDED: tuple[Unguarded, ...] = (
    Unguarded(
        ("*",),
        ("description", "alarmDescription", "tags.cost-centre", "tags.Name"),
        "Says something to people and decides nothing. The option `tags` of "
        "mwaa-dr-resource-tagged asks for tags of your own.",
    ),
    Unguarded(
        (*_BUCKET_PARTS, "Alias"),
        (PROTECTION,),
        "The next update makes it again; the bucket or key itself is guarded.",
    ),
    Unguarded(
        (
            *("Alias", "Dashboard", "MetricAlarm", "RolePolicy", "Schedule", "ScheduleGroup"),
            *("SecurityGroup", "StateMachine", "Table", "Topic"),
        ),
        ("name", "dashboardName"),
        "Rules know no names: another program has its own. What refers to the resource by its name "
        "is compared where a recovery depends on it.",
    ),
    Unguarded(
        (
            *("Alias", "BucketLifecycleConfiguration", "BucketObjectv2", "Dashboard", "Key"),
            *(
                "Eip",
                "InternetGateway",
                "LogGroup",
                "NatGateway",
                "Schedule",
                "ScheduleGroup",
                "Topic",
            ),
            *("TopicPolicy", "TopicSubscription", "Vpc", "VpcEndpoint", "BucketReplicationConfig"),
        ),
        ("region",),
        "AWS refuses it in another Region than what it names or what names it, or it is judged as "
        "missing there. Which Regions are right is for the settings to say.",
    ),
    Unguarded(
        ("Eip", "InternetGateway", "NatGateway", "SecurityGroup", "Subnet", "Vpc", "ScheduleGroup"),
        (REMOVED,),
        "Others of the program name it (routes, subnets, the environment, the schedule): a program "
        "without it does not run.",
    ),
    Unguarded(
        (
            *("Eip", "InternetGateway", "NatGateway", "RouteTable", "SecurityGroup", "Subnet"),
            *("SecurityGroup*Rule", "Vpc"),
        ),
        (
            *("vpcId", "subnetId", "allocationId", "domain", "cidrBlock", "availabilityZone"),
            *("enableDns*", "cidrIpv4", "ipProtocol"),
        ),
        "Where a network lies and what it lets through is its owner's choice; guarded is that an "
        "environment's subnets have a way out and that its group trusts itself.",
    ),
    Unguarded(
        ("VpcEndpoint",),
        (REMOVED, "routeTableIds", "serviceName", "vpcEndpointType", "vpcId"),
        "Saves the price of the way through the NAT gateway; without it traffic goes there.",
    ),
    Unguarded(
        ("FlowLog",),
        (REMOVED, "region", "logDestination*", "trafficType", "vpcId"),
        "For people who look at what happened; no step of a recovery reads it. Guarded is that the "
        "role it has may write.",
    ),
    Unguarded(
        ("Bucket",),
        ("forceDestroy",),
        "On the bucket of backups it is guarded. DAGs come from a repository, and a non-empty "
        "bucket without it stops a destroy half-way.",
    ),
    Unguarded(
        ("BucketLifecycleConfiguration",),
        (
            *(REMOVED, "bucket", "rules[].status", "rules[].id", "rules[].filter.prefix"),
            *("rules[].abortIncompleteMultipartUpload.*", "rules[].expiration.expiredObject*"),
        ),
        "Without it nothing is lost: objects stay and cost. That a rule takes nothing too early is "
        "guarded.",
    ),
    Unguarded(
        ("BucketLifecycleConfiguration",),
        ("rules[].noncurrentVersionExpiration.noncurrentDays",),
        "On the bucket of backups it is guarded. Old versions of DAGs are needed only to see what "
        "ran at the time of a backup.",
    ),
    Unguarded(
        ("BucketObjectv2",),
        (REMOVED, "bucket", "key", "source"),
        "Guarded are the three recovery DAGs. A module that they import is not known to rules: "
        "without it the agent does not start, and its silence fires the dead-man alarm.",
    ),
    Unguarded(
        ("BucketReplicationConfig",),
        (
            *("rules[].deleteMarkerReplication.status", "rules[].priority"),
            *("rules[].destination.metrics.eventThreshold.minutes",),
            "rules[].sourceSelectionCriteria.replicaModifications.status",
        ),
        "No object is lost by it. A DAG that was removed at one site only shows as drift.",
    ),
    Unguarded(
        ("BucketReplicationConfig",),
        ("rules[].destination.replicationTime.*",),
        "Guarded where backups travel by replication and the objective asks for it; for code the "
        "time limit is a comfort.",
    ),
    Unguarded(
        ("BucketServerSideEncryptionConfiguration",),
        ("rules[].bucketKeyEnabled",),
        "Saves calls to KMS.",
    ),
    Unguarded(
        ("Dashboard",),
        (REMOVED, "dashboardBody"),
        "A view for people. No alarm and no step of a recovery reads it.",
    ),
    Unguarded(
        ("Environment",),
        (
            *("airflowVersion", "environmentClass", "schedulers", "min*", "max*", "dagS3Path"),
            *(
                "airflowConfigurationOptions.core~*",
                "webserverAccessMode",
                "networkConfiguration.*",
            ),
            *("weeklyMaintenanceWindowStart", "workerReplacementStrategy"),
        ),
        "What an environment is like is its owner's choice, and recovery creates it as it was. "
        "Guarded is that a passive one equals it. MWAA refuses what does not fit together.",
    ),
    Unguarded(
        ("Environment",),
        ("loggingConfiguration.*.logLevel",),
        "Guarded is that each log is on; how much it says is the owner's choice.",
    ),
    Unguarded(
        ("Function",),
        (
            *("architectures", "code", "kmsKeyArn", "loggingConfig.*", "memorySize", "runtime"),
            "tracingConfig.mode",
        ),
        "The contract's table and the tests of the program fix them; a function that does not run "
        "raises its error alarm within minutes, since the monitor calls most of them.",
    ),
    Unguarded(
        ("Function",),
        (REMOVED,),
        "No machine names them: ARC Region switch, a scheduled drill and AWS's events call them, "
        "and an installation may do without each. All that a machine calls are guarded.",
        names=("region-switch-function", "rehearse-function", "note-event-function"),
    ),
    Unguarded(
        ("Function",),
        (REMOVED, "vpcConfig.*"),
        "It only hastens the agent, which runs by itself within a minute; nothing waits for it.",
        names=("hasten-function",),
    ),
    Unguarded(
        ("LogGroup",),
        (REMOVED, "name"),
        "Lambda makes a missing log group itself; Step Functions refuses a machine without it.",
    ),
    Unguarded(
        ("MetricAlarm",),
        ("*",),
        "They sum up what guarded alarms say one by one (the verdict DOWN, the age of backups, "
        "failures of replication), or that nobody has rehearsed. `mwaa-dr status` shows them too.",
        names=("alarm-degraded", "alarm-unprotected", "alarm-drill-age"),
    ),
    Unguarded(
        ("MetricAlarm",),
        ("*",),
        "They speak of capacity, lag, lost messages and DAGs, before or beside what is guarded: "
        "the heartbeat, the verdict, the age of backups, failures of recovery and replication.",
        names=(
            *("alarm-task-waiting", "alarm-*-cpu", "alarm-*-memory", "alarm-*-late"),
            *("alarm-*-rule", "alarm-not-*", "alarm-code"),
        ),
    ),
    Unguarded(
        ("EventRule", "EventTarget", "Permission"),
        ("*",),
        "AWS's events shorten the monitor's window and prove nothing: without them a recovery "
        "begins one reading later. An alarm tells of events that are not handed on.",
    ),
    Unguarded(
        ("Role", "RolePolicy"),
        ("*",),
        "Only the role that hands AWS's events on to the DR Region, see EventRule.",
        names=("events-access-*",),
    ),
    Unguarded(
        ("MetricAlarm",),
        ("dimensions.Installation", "dimensions.DestinationBucket"),
        "The own metrics have one dimension, and an alarm that finds no data fires. A wrong "
        "destination beside the right rule names nothing that exists; the rule's id is compared.",
    ),
    Unguarded(
        ("MetricAlarm",),
        ("datapointsToAlarm", "evaluationPeriods", "period", "statistic", "treatMissingData"),
        "For heartbeats and the age of backups speed and silence are guarded. Other alarms may "
        "take their time, and where nothing runs there is nothing to be told.",
    ),
    Unguarded(
        ("MetricAlarm",), ("okActions",), "That a failure is over is good to know and not needed."
    ),
    Unguarded(
        ("ReplicaKey",),
        ("primaryKeyArn",),
        "KMS refuses a replica of a key that is not there; a changed one would replace the key, "
        "which is protected.",
    ),
    Unguarded(
        ("RolePolicy",),
        (REMOVED, "policy", "role"),
        "Where another policy of the same role allows the same actions on other resources: only "
        "actions are compared. A drill shows whether a right reaches far enough.",
        names=("*-access-keys",),
    ),
    Unguarded(
        ("Schedule",),
        ("flexibleTimeWindow.mode", "groupName", "target.input", "target.retryPolicy.*"),
        "Guarded is that it is on, how often it starts the monitor, and its role. The reverse "
        "dead-man alarm watches whether the monitor runs.",
    ),
    Unguarded(
        ("StateMachine",),
        ("loggingConfiguration.includeExecutionData", "type"),
        "A matter of how much the log says; another type replaces the machine.",
    ),
    Unguarded(
        ("Table",),
        ("attributes[].*", "billingMode", "hashKey"),
        "Another key replaces the table, which is protected.",
    ),
    Unguarded(
        ("Topic", "TopicPolicy"),
        ("kmsMasterKeyId", REMOVED, "arn"),
        "Without a key or a policy of its own a topic takes alarms of its account. Guarded is that "
        "what is set does not keep them out.",
    ),
    Unguarded(
        ("TopicSubscription",),
        ("endpoint", "protocol"),
        "Whom to tell is for the settings to say; whether somebody reads it no rule can know.",
    ),
)
