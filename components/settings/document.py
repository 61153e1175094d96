"""Writes the reference of all settings into docs/configuration.md: `python -m` this module."""

import json
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.settings.section import by_alias, section_in
from components.settings.tree import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
BEGIN = "<!-- Reference: made by `python -m components.settings.document`. Do not edit. -->"
END = "<!-- End of the reference. -->"


def reference(model: type[BaseModel] = Settings, path: str = "") -> Iterator[str]:
    """Lines of Markdown: a table per section, the sections within it after it."""
    inner: list[tuple[str, type[BaseModel]]] = []
    yield from (f"### {path or 'Top level'}", "")
    if path:
        yield from (_first_line(model), "")
    yield from ("| key | default | takes |", "|---|---|---|")
    for key, field in by_alias(model).items():
        section = section_in(field.annotation)
        where = f"{path}.{key}" if path else key
        if section:
            many = not isinstance(field.default, section)
            inner.append((f"{where}[]" if many else where, section))
            yield f"| [`{key}`](#{_anchor(inner[-1][0])}) | | {_cell(field.description or '')} |"
        else:
            yield f"| `{key}` | {_default(field)} | {_cell(field.description or '')} |"
    yield ""
    for where, section in inner:
        yield from reference(section, where)


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0].partition("; see `")[0].rstrip(".") + "."


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}):
        return ""
    return f"`{value.value if isinstance(value, Enum) else json.dumps(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return "".join(one for one in title.lower() if one.isalnum() or one in "-_")


def page(text: str) -> str:
    """`text` with the reference as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n" + "\n".join(reference()) + f"\n{END}{after}"


def main() -> None:
    PAGE.write_text(page(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
