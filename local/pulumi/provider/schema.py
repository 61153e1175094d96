"""The properties that each `aws` resource has, read from the installed `pulumi_aws`.

The package's source is parsed, not imported: importing its modules takes seconds, and only the
names and types are wanted. What is found is kept in `build/` for the next start.

A type is written as `str`, `int`, `float`, `bool`, `asset`, `any`, `[T]` for a list, `{T}` for a
map and `#Name` for an object that `Schema.objects` describes.
"""

import ast
import importlib.util
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from local.paths import BUILD

SCALARS = {"str": "str", "int": "int", "float": "float", "bool": "bool", "Any": "any"}
CACHE = BUILD / "pulumi-schema"
FORMAT = 1
"""Grows when the cache file's shape changes."""


@dataclass(frozen=True, slots=True)
class Properties:
    """Property names in the engine's spelling (camelCase) and their types."""

    types: dict[str, str]
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceSchema:
    inputs: Properties
    outputs: Properties


@dataclass(frozen=True, slots=True)
class Schema:
    resources: dict[str, ResourceSchema] = field(default_factory=dict)
    objects: dict[str, Properties] = field(default_factory=dict)


def element(kind: str) -> str:
    """The element type of a list or map type."""
    return kind[1:-1]


def load(tokens: Iterable[str]) -> Schema:
    """The schema of these resource types, from the cache when it has them all.

    Raises:
        LookupError: `pulumi_aws` has no such type.
    """
    wanted = sorted(set(tokens))
    cache = CACHE / f"{version('pulumi-aws')}-{FORMAT}.json"
    if cache.exists():
        known = _from_json(json.loads(cache.read_text()))
        if set(wanted) <= known.resources.keys():
            return known
    schema = _Parser().parse(wanted)
    CACHE.mkdir(parents=True, exist_ok=True)
    scratch = cache.with_name(f".{cache.name}.{os.getpid()}")
    scratch.write_text(json.dumps(asdict(schema)))
    scratch.replace(cache)
    return schema


def _from_json(raw: Mapping[str, Mapping[str, dict]]) -> Schema:
    def properties(entry: dict) -> Properties:
        return Properties(entry["types"], tuple(entry["required"]))

    return Schema(
        {
            token: ResourceSchema(properties(entry["inputs"]), properties(entry["outputs"]))
            for token, entry in raw["resources"].items()
        },
        {name: properties(entry) for name, entry in raw["objects"].items()},
    )


def module_of(token: str) -> tuple[str, str, str]:
    """The Python folder, module and class of a token `aws:s3/bucketPolicy:BucketPolicy`."""
    _, member, name = token.split(":")
    folder, _, module = member.rpartition("/")
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", module).lower()
    return {"lambda": "lambda_"}.get(folder, folder), snake, name


class _Parser:
    def __init__(self) -> None:
        found = importlib.util.find_spec("pulumi_aws")
        if found is None or found.origin is None:
            raise LookupError("pulumi_aws is not installed; run `make setup`")
        self._root = Path(found.origin).parent
        self._classes: dict[Path, dict[str, ast.ClassDef]] = {}
        self._objects: dict[str, Properties] = {}

    def parse(self, tokens: Iterable[str]) -> Schema:
        return Schema({token: self._resource(token) for token in tokens}, self._objects)

    def _resource(self, token: str) -> ResourceSchema:
        folder, module, name = module_of(token)
        classes = self._load(self._root / folder / f"{module}.py")
        arguments = classes.get(f"{name}Args") or classes.get(f"{name}InitArgs")
        if arguments is None or name not in classes:
            raise LookupError(f"pulumi_aws has no resource {token}")
        return ResourceSchema(
            self._properties(arguments, folder), self._properties(classes[name], folder)
        )

    def _load(self, path: Path) -> dict[str, ast.ClassDef]:
        if path not in self._classes:
            tree = ast.parse(path.read_text())
            self._classes[path] = {
                node.name: node for node in tree.body if isinstance(node, ast.ClassDef)
            }
        return self._classes[path]

    def _properties(self, node: ast.ClassDef, folder: str) -> Properties:
        types: dict[str, str] = {}
        spelled: dict[str, str] = {}
        for member in node.body:
            if isinstance(member, ast.FunctionDef) and member.returns is not None:
                name = _getter_name(member)
                if name is not None:
                    spelled[member.name] = name
                    types[name] = self._type(ast.unparse(member.returns), folder)
        return Properties(types, tuple(sorted(_required(node, spelled))))

    def _type(self, annotation: str, folder: str) -> str:
        """From the text of an annotation such as `pulumi.Input[Optional[Sequence[...]]]`."""
        text = re.sub(
            r"pulumi\.(Input|Output)|Optional|_builtins\.|['\"]|outputs\.", "", annotation
        )
        while re.fullmatch(r"\[.*\]", text) and _closes_at_end(text):
            text = text[1:-1]
        if text.startswith("Sequence["):
            return f"[{self._type(text[len('Sequence[') : -1], folder)}]"
        if text.startswith("Mapping["):
            return f"{{{self._type(text[len('Mapping[') : -1].split(',', 1)[1].strip(), folder)}}}"
        if "pulumi.Asset" in text or "pulumi.Archive" in text:
            return "asset"
        if text.startswith("Union["):
            text = text[len("Union[") : -1].split(",", 1)[0]
        return SCALARS.get(text) or self._object(text, folder)

    def _object(self, name: str, folder: str) -> str:
        path = self._root / folder / "_inputs.py"
        classes = self._load(path) if path.exists() else {}
        base = name.removesuffix("Args")
        if f"{base}Args" not in classes:
            return "any"
        key = f"{folder}.{base}"
        if key not in self._objects:
            self._objects[key] = Properties({})
            self._objects[key] = self._properties(classes[f"{base}Args"], folder)
        return f"#{key}"


def _closes_at_end(text: str) -> bool:
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth == 0:
            return position == len(text) - 1
    return False


def _getter_name(member: ast.FunctionDef) -> str | None:
    for decorator in member.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        if ast.unparse(call.func if call else decorator) == "pulumi.getter":
            named = [k.value for k in call.keywords if k.arg == "name"] if call else []
            return ast.literal_eval(named[0]) if named else member.name
    return None


def _required(node: ast.ClassDef, spelled: Mapping[str, str]) -> list[str]:
    init = next(
        (m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"), None
    )
    if init is None:
        return []
    arguments = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    return [spelled[a.arg] for a, default in arguments if default is None and a.arg in spelled]
