"""Has a command of PEMS done in a process beside the engine, which takes nobody's time and ends with the engine."""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

NICENESS = 10
"""Of the process: whoever runs the house goes first."""


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    said: str
    wrong: str

    @property
    def last_words(self) -> str:
        """What it said of its end."""
        lines = self.wrong.strip().splitlines()
        return lines[-1] if lines else f"exit code {self.code}"


async def done_beside(words: Sequence[str]) -> Done:
    """Do `pems WORDS...`; it is ended if nobody waits any more, even when the engine is killed.

    :raises OSError: if it cannot be started.
    """
    pipe = asyncio.subprocess.PIPE
    ends, ours = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pems_core.beside", str(ends), *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            pass_fds=[ends],
        )
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        try:
            said, wrong = await process.communicate()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    finally:
        os.close(ends)
        os.close(ours)
    code = process.returncode
    return Done(-1 if code is None else code, said.decode(errors="replace"), wrong.decode(errors="replace"))
