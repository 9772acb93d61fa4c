"""The child process of :class:`.plans_apart.PlannerApart`."""

import os
import signal
import sys

from pems_core.child import serve

from .memory import settle_in
from .plans_apart import Desk

NICENESS = 5
"""On a machine with few cores a search must not keep the engine waiting."""


def main(number: int) -> None:
    """Plan until the parent is gone. Ctrl-C is the engine's to hear: it ends this process in its turn."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    settle_in()
    serve(number, Desk().answer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
