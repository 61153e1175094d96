"""JSONata and JSONPath variables: where moto expects a Java bridge, a Python JSONata answers.

`$uuid()`, `$hash()`, `$parse()` and `$random()` are Step Functions' own functions.
"""

import hashlib
import json
import random
import uuid
from typing import Any

import jsonata
from moto.stepfunctions.parser.asl.component.intrinsic import jsonata as intrinsic
from moto.stepfunctions.parser.asl.eval import states, variable_store
from moto.stepfunctions.parser.asl.jsonata import jsonata as bridge

from local.gateway.patching import put

_HASHES = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}


def _hash(text: str, algorithm: str) -> str:
    return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _random(seed: int | None = None) -> float:
    return random.Random(seed).random()  # noqa: S311 -- no secret


def evaluate(expression: str) -> Any:  # noqa: ANN401
    """The value of a JSONata expression that declares its own variables."""
    try:
        program = jsonata.Jsonata(expression)
        program.register_lambda("uuid", lambda: str(uuid.uuid4()))
        program.register_lambda("hash", _hash)
        program.register_lambda("parse", json.loads)
        program.register_lambda("random", _random)
        return program.evaluate(None)
    except Exception as error:
        raise bridge.JSONataException("UNKNOWN", str(error)) from error


def declare(bindings: dict[str, Any]) -> str:
    """Variables as JSONata assignments; JSON text is valid JSONata."""
    return "".join(f"{name}:={json.dumps(value, default=str)};" for name, value in bindings.items())


def apply() -> None:
    put(bridge, "_eval_jsonata", evaluate)
    for module in (bridge, states, variable_store):
        put(module, "encode_jsonata_variable_declarations", declare)
    for name in ("$uuid", "$hash", "$parse"):  # moto's own return an apology as text
        del intrinsic._DECLARATION_BY_VARIABLE_REFERENCE[name]
