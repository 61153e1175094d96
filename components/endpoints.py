"""Which services a VPC without a way out reaches, and what their endpoints are called."""

from components.base import Place

GATEWAY = "s3"
"""Free of charge, so that every made VPC has it."""
SERVICES = (
    *("monitoring", "logs", "sqs", "kms", "ecr.api", "ecr.dkr"),
    *("airflow.api", "airflow.env"),
)
"""What MWAA asks for in a VPC with private routing (user guide, 'Creating the required VPC service
endpoints', and the verification script of AWS Support). The agent needs no other. `airflow.ops`, of
the oldest guides, is not in every Region: `endpointServices` can add it."""
_CHINA = "aws-cn"
_PLAIN_IN_CHINA = {GATEWAY, "logs", "kms"}
"""In China most names begin with `cn.`; these do not."""


def service_name(place: Place, service: str) -> str:
    """The name of a service's endpoint in a site's Region; a whole name is left as it is."""
    if "amazonaws" in service:
        return service
    china = place.names.partition == _CHINA and service not in _PLAIN_IN_CHINA
    return f"{'cn.' if china else ''}com.amazonaws.{place.region}.{service}"


def interfaces(place: Place) -> tuple[str, ...]:
    """The services that a closed VPC of a site gets interface endpoints for."""
    asked = place.settings.network.of(place.site).endpoint_services
    return tuple(dict.fromkeys((*SERVICES, *asked)))
