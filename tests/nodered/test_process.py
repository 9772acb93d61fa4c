"""Node-RED as a process that PEMS starts."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers import Mosquitto
from tests.runtime.conftest import wait_for

from .conftest import require_nodered

STARTER = """
import asyncio, sys
from pathlib import Path
from pems_core.nodered import NodeRed
async def main():
    async with NodeRed(sys.argv[1], "trial", Path(sys.argv[2])).serving() as front:
        print(front.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.slow
async def test_node_red_ends_when_who_started_it_is_killed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    require_nodered()
    said = [sys.executable, "-c", STARTER, mosquitto.url, str(tmp_path / "node-red")]
    starter = subprocess.Popen(said, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - it returns at once
    assert starter.stdout is not None
    pid = int(await asyncio.to_thread(starter.stdout.readline))
    starter.kill()
    starter.wait()
    try:
        await wait_for(lambda: not alive(pid), 20)
    finally:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
