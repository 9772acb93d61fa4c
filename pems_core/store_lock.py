"""One process at a time writes the state of a house."""

import fcntl
import time
from pathlib import Path

from pems_core.domain import PemsError

LOCK = "store.lock"
TRY_FOR_S = 2.0
"""Who asks whether an engine lives holds the lock for a moment."""


class StoreInUse(PemsError):
    """Another process writes this house's state."""


class Lock:
    """Says which process writes the store; the system frees it when that dies, however it does."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / LOCK).open("a")
        deadline = time.monotonic() + TRY_FOR_S
        while not _locked(self._file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                self._file.close()
                raise StoreInUse(f"{folder} is written by another process; one at a time is allowed")
            time.sleep(0.05)

    def release(self) -> None:
        self._file.close()


def engine_alive(folder: Path) -> bool:
    """Whether a process holds the state of this house for writing, as a running engine does."""
    try:
        with (folder / LOCK).open("r") as file:
            return not _locked(file.fileno(), fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _locked(fileno: int, kind: int) -> bool:
    try:
        fcntl.flock(fileno, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
