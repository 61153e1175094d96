"""The exceptions that the MWAA API is modelled to answer with."""

from typing import Any


class ApiError(Exception):
    """One modelled error.

    Args:
        kind: the exception's name in botocore's `mwaa` model.
        status: its HTTP status there.
        body: its members.
    """

    def __init__(self, kind: str, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{kind}: {body}")
        self.kind = kind
        self.status = status
        self.body = body


def validation(message: str) -> ApiError:
    return ApiError("ValidationException", 400, {"message": message})


def not_found(message: str) -> ApiError:
    return ApiError("ResourceNotFoundException", 404, {"message": message})


def denied(message: str) -> ApiError:
    return ApiError("AccessDeniedException", 403, {"Message": message})


def internal(message: str) -> ApiError:
    return ApiError("InternalServerException", 500, {"message": message})


def rest(status: int, response: object) -> ApiError:
    """An error of Airflow's REST API; MWAA answers 400 for the server's faults too."""
    kind = "RestApiServerException" if status >= 500 else "RestApiClientException"  # noqa: PLR2004
    return ApiError(kind, 400, {"RestApiStatusCode": status, "RestApiResponse": response})
