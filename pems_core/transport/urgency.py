"""What a command needs goes before what is only looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_IN_COMMAND: ContextVar[bool] = ContextVar("in_command", default=False)


@contextmanager
def commands_first() -> Iterator[None]:
    """Requests that this task makes inside overtake those of polls: a poll of many spaced requests takes seconds."""
    token = _IN_COMMAND.set(True)
    try:
        yield
    finally:
        _IN_COMMAND.reset(token)


def in_command() -> bool:
    return _IN_COMMAND.get()
