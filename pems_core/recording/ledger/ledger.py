"""The ledger itself: what is added to it, and what can be asked of it."""

from .adding import Adding
from .asking import Asking
from .courses import Courses
from .file import PLACE
from .records import SIMULATED, Cycle, Entry, NotRecorded

__all__ = ["PLACE", "SIMULATED", "Cycle", "Entry", "Ledger", "NotRecorded"]


class Ledger(Adding, Asking, Courses):
    """What happened, in one file.

    :param writing: False for who only looks: the file is neither made nor changed.
    :raises StoreUnreadable: if it cannot be read, or was written by a newer PEMS.
    """
