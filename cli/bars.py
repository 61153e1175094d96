"""Shows how far the engine is, on a terminal; elsewhere it says nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from mwaa_dr_metadata import Progress as Event
from mwaa_dr_metadata import ProgressCallback

WITH_SIZE = frozenset({"export", "check", "stage"})
"""Steps whose events carry the bytes of one more object."""


@contextmanager
def shown(
    title: str, total: int | None = None, *, quiet: bool = False
) -> Iterator[ProgressCallback]:
    """Draw a bar on standard error while the block runs; feed it with what is yielded.

    Args:
        total: bytes to come; None while nobody knows, which shows a bar that moves to and fro.
        quiet: draw nothing.
    """
    console = Console(stderr=True)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with progress:
        task = progress.add_task(title, total=total)

        def note(event: Event) -> None:
            progress.update(
                task,
                description=f"{title}: {event.step} {event.table or event.part}",
                advance=event.size if event.step in WITH_SIZE else 0,
            )

        yield note
