"""What is worked out beside the engine ends with it."""

import asyncio
import sys
from contextlib import suppress

import psutil
import pytest

from pems_core.runtime.beside import NICENESS, done_beside

ENGINE = """
import asyncio
from pems_core.runtime.beside import done_beside
asyncio.run(done_beside(["simulate", "--days", "60"]))
"""
SOON_S = 60.0


async def beside(engine: psutil.Process) -> psutil.Process:
    """What works beside it, among whatever else it has begun."""
    async with asyncio.timeout(SOON_S):
        while True:
            for child in engine.children():
                with suppress(psutil.NoSuchProcess):
                    if "pems_core.beside" in child.cmdline():
                        return child
            await asyncio.sleep(0.05)


async def gone(process: psutil.Process) -> None:
    """Wait for its end; nobody may be left to bury it."""
    async with asyncio.timeout(SOON_S):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def test_a_command_is_done_behind_whoever_runs_the_house() -> None:
    asking = asyncio.create_task(done_beside(["plugins"]))
    child = await beside(psutil.Process())
    async with asyncio.timeout(SOON_S):
        while child.nice() != NICENESS:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    done = await asking
    assert done.code == 0
    assert "growatt" in done.said


async def test_what_it_refuses_is_its_last_word() -> None:
    done = await done_beside(["plan", "--house", "nowhere.toml"])
    assert done.code == 2
    assert "nowhere.toml: cannot be read" in done.last_words


async def test_it_ends_when_nobody_waits_any_more() -> None:
    asking = asyncio.create_task(done_beside(["simulate", "--days", "60"]))
    child = await beside(psutil.Process())
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await gone(child)


async def test_it_ends_with_an_engine_that_is_killed() -> None:
    """Else an engine that dies again and again fills the machine with what nobody asks for any more."""
    engine = await asyncio.create_subprocess_exec(sys.executable, "-c", ENGINE)
    try:
        child = await beside(psutil.Process(engine.pid))
    finally:
        engine.kill()
        await engine.wait()
    await gone(child)
