"""Error replies in the words and the wire format of each service, so that SDKs parse them."""

import json
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from local.gateway.outage import Mode
from local.gateway.scope import FORM, Scope


@dataclass(frozen=True, slots=True)
class Fault:
    """How a service names an error."""

    status: int
    code: str
    message: str


_UNAVAILABLE = Fault(503, "ServiceUnavailable", "The service is unavailable. Try again later.")
_SERVER_ERRORS: dict[str, Fault] = {
    "dynamodb": Fault(500, "InternalServerError", "Internal server error"),
    "lambda": Fault(500, "ServiceException", "An internal error occurred"),
    "airflow": Fault(500, "InternalServerException", "Internal server error"),
    "kms": Fault(500, "KMSInternalException", "Internal failure"),
    "ec2": Fault(503, "Unavailable", "The server is overloaded"),
    "s3": Fault(503, "ServiceUnavailable", "Service is unable to handle request."),
}
_THROTTLED = Fault(400, "ThrottlingException", "Rate exceeded")
_THROTTLES: dict[str, Fault] = {
    "s3": Fault(503, "SlowDown", "Please reduce your request rate."),
    "ec2": Fault(503, "RequestLimitExceeded", "Request limit exceeded."),
    "lambda": Fault(429, "TooManyRequestsException", "Rate exceeded"),
    "airflow": Fault(429, "ThrottlingException", "Rate exceeded"),
    "iam": Fault(400, "Throttling", "Rate exceeded"),
    "sns": Fault(400, "Throttling", "Rate exceeded"),
    "sts": Fault(400, "Throttling", "Rate exceeded"),
}
_DENIED = Fault(400, "AccessDeniedException", "")
_DENIALS: dict[str, Fault] = {
    "s3": Fault(403, "AccessDenied", ""),
    "ec2": Fault(403, "UnauthorizedOperation", ""),
    "lambda": Fault(403, "AccessDeniedException", ""),
    "airflow": Fault(403, "AccessDeniedException", ""),
    "scheduler": Fault(403, "AccessDeniedException", ""),
    "monitoring": Fault(403, "AccessDenied", ""),
    "iam": Fault(403, "AccessDenied", ""),
    "sts": Fault(403, "AccessDenied", ""),
    "sns": Fault(403, "AuthorizationError", ""),
}
_REST_XML = {"s3", "route53", "cloudfront"}
_QUERY = {"sns", "sts", "iam", "autoscaling", "elasticloadbalancing", "cloudformation", "rds"}
Reply = tuple[str, list[tuple[str, str]], bytes]


def reply(mode: Mode, scope: Scope, environ: dict[str, Any]) -> Reply:
    """Status line, headers and body of the error that `mode` gives."""
    table, default = (
        (_THROTTLES, _THROTTLED) if mode is Mode.THROTTLE else (_SERVER_ERRORS, _UNAVAILABLE)
    )
    return render(table.get(scope.service or "", default), scope.service, environ)


def denied(message: str, service: str | None, environ: dict[str, Any]) -> Reply:
    """How the service refuses a caller that may not do this."""
    known = _DENIALS.get(service or "", _DENIED)
    return render(Fault(known.status, known.code, message), service, environ)


def render(fault: Fault, service: str | None, environ: dict[str, Any]) -> Reply:
    """The fault in the protocol that the request spoke."""
    request_id = str(uuid.uuid4())
    phrase = HTTPStatus(fault.status).phrase
    headers = [("x-amzn-RequestId", request_id), ("x-amz-request-id", request_id)]
    text = f"<Code>{fault.code}</Code><Message>{escape(fault.message)}</Message>"
    form = environ.get("CONTENT_TYPE", "").startswith(FORM)
    if service == "ec2":
        xml = (
            f"<Response><Errors><Error>{text}</Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    elif service == "s3":
        xml = f"<Error>{text}<RequestId>{request_id}</RequestId></Error>"
    elif service in _REST_XML or service in _QUERY or form:
        xml = (
            f"<ErrorResponse><Error><Type>Receiver</Type>{text}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    else:
        body = json.dumps({"__type": fault.code, "message": fault.message}).encode()
        headers += [("Content-Type", "application/json"), ("x-amzn-ErrorType", fault.code)]
        return f"{fault.status} {phrase}", [*headers, ("Content-Length", str(len(body)))], body
    body = ('<?xml version="1.0" encoding="UTF-8"?>' + xml).encode()
    headers += [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
    if environ.get("REQUEST_METHOD") == "HEAD":
        body = b""
    return f"{fault.status} {phrase}", headers, body
