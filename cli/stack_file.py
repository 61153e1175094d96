"""Edits a stack file so that everything a person wrote into it stays as it is."""

import io
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

STYLES = ((4, 2), (2, 0))
"""Indentations of lists that people use: of an item's text, and of its dash."""


class StackFile:
    """One stack file, with its comments and its order.

    Raises:
        click.ClickException: it is no stack file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = path.read_text()
        self._yaml, self._document = self._read()

    def _read(self) -> tuple[YAML, Any]:
        """The file with the settings under which writing it unchanged changes nothing."""
        read = [self._read_as(sequence, offset) for sequence, offset in STYLES]
        same = (one for one in read if _dumped(*one) == self._text)
        return next(same, read[-1])

    def _read_as(self, sequence: int, offset: int) -> tuple[YAML, Any]:
        yaml = YAML()
        yaml.preserve_quotes = True
        yaml.width = 4096
        yaml.indent(mapping=2, sequence=sequence, offset=offset)
        try:
            document = yaml.load(self._text)
        except YAMLError as error:
            raise click.ClickException(f"{self.path} is not YAML: {error}") from error
        if not isinstance(document, dict) or "config" not in document:
            raise click.ClickException(f"{self.path} has no `config`; it is no stack file")
        return yaml, document

    @property
    def config(self) -> Any:  # noqa: ANN401 - ruamel's mapping
        return self._document["config"]

    def text(self) -> str:
        """The file as it would be written."""
        return _dumped(self._yaml, self._document)

    def write(self) -> None:
        self.path.write_text(self.text())


def _dumped(yaml: YAML, document: Any) -> str:  # noqa: ANN401
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()
