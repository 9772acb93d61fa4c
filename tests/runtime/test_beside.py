"""What is worked out beside the engine ends with it."""

import asyncio
import sys

import psutil
import pytest

from pems_core.runtime.beside import NICENESS, done_beside

ENGINE = """
import asyncio
from pems_core.runtime.beside import done_beside
asyncio.run(done_beside(["simulate", "--days", "60"]))
"""
SOON_S = 60.0


async def child_of(process: psutil.Process) -> psutil.Process:
    async with asyncio.timeout(SOON_S):
        while not (found := process.children()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    return found[0]


async def gone(process: psutil.Process) -> None:
    """Wait for its end; nobody may be left to bury it."""
    async with asyncio.timeout(SOON_S):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def test_a_command_is_done_behind_whoever_runs_the_house() -> None:
    asking = asyncio.create_task(done_beside(["plugins"]))
    child = await child_of(psutil.Process())
    assert child.nice() == NICENESS
    done = await asking
    assert done.code == 0
    assert "growatt" in done.said


async def test_what_it_refuses_is_its_last_word() -> None:
    done = await done_beside(["plan", "--house", "nowhere.toml"])
    assert done.code == 2
    assert "nowhere.toml: cannot be read" in done.last_words


async def test_it_ends_when_nobody_waits_any_more() -> None:
    asking = asyncio.create_task(done_beside(["simulate", "--days", "60"]))
    child = await child_of(psutil.Process())
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await gone(child)


async def test_it_ends_with_an_engine_that_is_killed() -> None:
    """Else an engine that dies again and again fills the machine with what nobody asks for any more."""
    engine = await asyncio.create_subprocess_exec(sys.executable, "-c", ENGINE)
    try:
        child = await child_of(psutil.Process(engine.pid))
    finally:
        engine.kill()
        await engine.wait()
    await gone(child)
