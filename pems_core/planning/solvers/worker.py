"""The child process of :class:`.guard.GuardedHighs`: answers problems until its parent is gone.

Run as a module with the number of an inherited pipe. It imports little, so that it is ready in a moment.
"""

import os
import sys
from multiprocessing.connection import Connection

from .base import READY
from .highs import Highs

NICENESS = 5
"""On a machine with few cores a search must not keep commands and the heartbeat waiting."""


def serve(pipe: Connection) -> None:
    os.nice(NICENESS)
    highs = Highs()
    pipe.send(READY)
    while True:
        try:
            form, time_limit_s, gap, start = pipe.recv()
            pipe.send(highs.solve(form, time_limit_s, gap, start))
        except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
            return


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
