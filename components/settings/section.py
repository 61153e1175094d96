"""What all sections of the settings share.

A field's description says what is allowed, so that it can end the sentence "... is not allowed;
use ...": the error messages and the project file's documentation come from it.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from contract.agent_config import SECTION


class Section(BaseModel):
    """A group of settings: camelCase in the file, frozen, and unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


def _as_text(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """YAML reads `core.parallelism: 32` as a number; MWAA takes every option as text."""
    if isinstance(value, bool):
        return str(value)
    return str(value) if isinstance(value, int | float) else value


def _not_ours(options: dict[str, str]) -> dict[str, str]:
    taken = sorted(key for key in options if key.lower().startswith(f"{SECTION}."))
    if taken:
        raise ValueError(f"{', '.join(taken)}: options of `{SECTION}` are set by this program")
    return options


def _as_mwaa_takes_them(options: dict[str, str]) -> dict[str, str]:
    """Judged as a whole: a message about one value would show it."""
    wrong = sorted(key for key, value in options.items() if not _OPTION_VALUE.fullmatch(value))
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: MWAA takes printable ASCII only, and no empty value")
    return options


def _as_aws_takes_them(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if not (_TAG_KEY.fullmatch(key) and _TAG_VALUE.fullmatch(value)):
            raise ValueError(f"{key}: IAM or MWAA would refuse it")
    return tags


OPTIONS = (
    "Airflow options like `core.parallelism: 32` (lower case, values in printable ASCII); those of "
    "`mwaa_dr` belong to this program"
)
_OPTION_VALUE = re.compile(r"[ -~]{1,65536}")
"""As MWAA's API model has it, like the pattern of the names."""
OptionName = Annotated[
    str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*\.[a-z0-9_.]*[a-z0-9_]$")
]
Options = Annotated[
    dict[OptionName, Annotated[str, BeforeValidator(_as_text)]],
    AfterValidator(_as_mwaa_takes_them),
    AfterValidator(_not_ours),
]

_TAG_KEY = re.compile(r"[\w .:/=+\-@]{1,128}")
_TAG_VALUE = re.compile(r"[\w .:/=+\-@]{1,256}")
"""What IAM and MWAA take, the strictest of those that tag; MWAA takes no empty value."""
Tags = Annotated[dict[str, str], AfterValidator(_as_aws_takes_them)]
TAGS = (
    "up to 40 tags of letters, digits, spaces and _.:/=+-@, at most 128 in a key and 1 to 256 in a "
    "value"
)

Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
REGION = "a Region like us-west-2"


def field_at(model: type[BaseModel], location: tuple[int | str, ...]) -> Any:  # noqa: ANN401
    """The deepest field of `model` on the way to `location`, or None."""
    found = None
    current: type[BaseModel] | None = model
    for part in location:
        fields = by_alias(current) if current else {}
        if part not in fields:
            # An item of a list: its section is named in the list's type.
            continue
        found = fields[str(part)]
        current = section_in(found.annotation)
    return found


def by_alias(model: type[BaseModel]) -> Mapping[str, Any]:
    """The fields of a section by the name they have in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def section_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    """The section that a field of this type holds, itself or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        inner = section_in(argument)
        if inner:
            return inner
    return None


def section_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    """The section that the key at `location` was written in."""
    field = field_at(model, location[:-1])
    return (section_in(field.annotation) if field else None) or model
