"""Damaged SQLite files are kept beside the new ones that are begun in their place."""

from datetime import datetime
from pathlib import Path

ENDINGS = ("", "-wal", "-shm", "-journal")
"""Of the file and its logs: one that stayed behind would be played back into the new file."""


def set_aside(path: Path, now: datetime) -> Path:
    """Move a file out of the way, with its logs; where it is then."""
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    for ending in ENDINGS:
        part = path.with_name(path.name + ending)
        if part.exists():
            part.replace(aside.with_name(aside.name + ending))
    return aside
