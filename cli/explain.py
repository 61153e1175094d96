"""Turns what goes wrong with metadata into a message that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

import click
import psycopg2
from psycopg2 import errors
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from mwaa_dr_metadata import (
    BackupRefusedError,
    DatabaseSettingsError,
    ImportVerificationError,
    MetadataError,
    SealUnavailableError,
    TargetRefusedError,
)
from mwaa_dr_metadata.errors import MassDeleteError

HIDDEN = "***"
ADVICE: dict[type[MetadataError], str] = {
    MassDeleteError: "Nothing was changed. If that was meant, say --allow-mass-delete; if not, "
    "take a backup from before it with --to.",
    BackupRefusedError: "Nothing was changed. Take another backup with --to, or another target.",
    TargetRefusedError: "Nothing was changed. Another backup would not help; mend the target.",
    ImportVerificationError: "What was not verified was rolled back. Run the same command again; "
    "if it says the same, somebody else writes to the target: stop its scheduler meanwhile.",
    SealUnavailableError: "This says nothing about the backup. Look at the credentials, the Region "
    "and the key's policy (kms:GenerateDataKey to export, kms:Decrypt to import), and try again.",
}


@contextmanager
def explained(database_url: str | None = None) -> Iterator[None]:
    """Show expected errors as a message; the password of `database_url` is in none of them.

    Raises:
        click.ClickException: exit code 1, or 2 where the command line is wrong.
    """
    try:
        yield
    except DatabaseSettingsError as error:
        raise click.UsageError(without_password(str(error), database_url)) from None
    except MetadataError as error:
        advice = next((text for kind, text in ADVICE.items() if isinstance(error, kind)), "")
        message = f"{_sentence(str(error))} {advice}".strip()
        raise click.ClickException(without_password(message, database_url)) from None
    except psycopg2.Error as error:
        raise click.ClickException(_of_database(error, database_url)) from None
    except OSError as error:
        raise click.ClickException(f"The storage: {error}") from None


def _of_database(error: psycopg2.Error, database_url: str | None) -> str:
    text = without_password(" ".join(str(error).split()), database_url)
    if isinstance(error, errors.UndefinedTable) and "mwaa_dr_" not in text:
        return (
            f"This database holds no Airflow metadata, or not where the user's search path looks: "
            f"{text}. Check the database's name in the URL; a new one needs `airflow db migrate`."
        )
    return f"The database answered with an error: {text}. What was under way was rolled back."


def without_password(text: str, database_url: str | None) -> str:
    """The text with the URL's password taken out, in each form in which it could stand there."""
    if not database_url:
        return text
    try:
        password = make_url(database_url).password
    except (ArgumentError, ValueError):
        return text.replace(database_url, HIDDEN)
    if not password:
        return text
    for form in (quote(password, safe=""), quote_plus(password), str(password)):
        text = text.replace(form, HIDDEN)
    return text


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
