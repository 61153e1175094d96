"""Reads a request as its API's model names its parts, with moto's own router and parsers."""

import functools
import io
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader
from botocore.model import ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from local.gateway.access.needs import Call
from local.gateway.scope import Scope

_MODELS = {"airflow": "mwaa", "monitoring": "cloudwatch", "states": "stepfunctions"}
"""boto3's names of services that sign with another one."""
_NO_BODY = frozenset({"PutObject", "UploadPart"})
"""Calls whose body is data, not parameters: it is not read twice."""


class UnreadableError(ValueError):
    """No operation of the service looks like this request."""


@functools.cache
def _model_name(service: str) -> str:
    if service in _MODELS:
        return _MODELS[service]
    loader = Loader()
    known = loader.list_available_services("service-2")
    if service in known:
        return service
    for name in known:
        if ServiceModel(loader.load_service_model(name, "service-2"), name).signing_name == service:
            return name
    raise UnreadableError(f"{service}: no AWS service signs with this name")


def read(environ: dict[str, Any], scope: Scope, account: str, partition: str) -> Call:
    """The call; the request's body is put back.

    Raises:
        UnreadableError: it cannot be told what is asked for.
    """
    service = scope.service or ""
    name = _model_name(service)
    request = Request({**environ, "wsgi.input": io.BytesIO(b"")})
    try:
        operation, path = _routed(name, environ, request)
        params = _params(name, operation, path, environ, request)
    except (NotFound, NotImplementedError, ValueError, KeyError) as error:
        raise UnreadableError(f"{service}: {scope.operation}: {error!r}") from error
    if "CopySource" in params:
        params["CopySource"] = unquote(params["CopySource"])
    return Call(service, operation, params, scope.regions[0], account, partition)


def _params(
    name: str, operation: str, path: dict[str, Any], environ: dict[str, Any], request: Request
) -> dict[str, Any]:
    body = b"" if operation in _NO_BODY else _body(environ)
    model = get_service_model(name)
    parser = PROTOCOL_PARSERS[determine_request_protocol(model, request.content_type)]
    return parser(model.operation_model(operation), map_type=dict).parse(
        {
            "method": request.method,
            "values": Request({**environ, "wsgi.input": io.BytesIO(body)}).values,
            "headers": request.headers,
            "body": body,
            "url_path": request.path,
            "url_params": path,
        }
    )


def _routed(name: str, environ: dict[str, Any], request: Request) -> tuple[str, dict[str, Any]]:
    form = request.content_type or ""
    if form.startswith("application/x-www-form-urlencoded"):
        body = _body(environ)  # the operation is a field of the form
        request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    operation, path = get_service_router(name).match(request)
    return operation.name, path


def _body(environ: dict[str, Any]) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body
