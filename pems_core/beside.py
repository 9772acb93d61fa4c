"""`python -m pems_core.beside PIPE WORDS...`: a command of PEMS that ends with whoever began it, however that ended."""

import os
import sys
from threading import Thread

from pems_core import cli

LEFT_ALONE = 75


def main() -> None:
    """Do the command; the pipe is inherited by its number, and nothing comes of it while its other end lives."""
    pipe = int(sys.argv.pop(1))
    Thread(target=_end_with, args=(pipe,), name="parent", daemon=True).start()
    cli.main()


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)
    # Nobody waits for the answer any more, and the main thread may be deep in a search.
    os._exit(LEFT_ALONE)


if __name__ == "__main__":
    main()
