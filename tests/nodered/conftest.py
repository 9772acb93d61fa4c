"""Node-RED beside the engine and the made-up inverter of the runtime's tests."""

import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pems_core.nodered import FOLDER, NodeRed, NotInstalled, node, program
from tests.brokers import Mosquitto
from tests.runtime.conftest import start_engine  # noqa: F401 - a fixture

CARRIED = '[nodered]\ncarries = ["inverter"]\n'
NOT_DIRECT = CARRIED + "direct_when_silent = false\n"
Front = Callable[..., Any]


def require_nodered(version: int = 5) -> None:
    """Skip what needs Node-RED where it is not installed, except in CI, where it must be."""
    try:
        program(version)
    except NotInstalled as fault:
        if os.environ.get("CI") == "true":
            pytest.fail(str(fault))
        pytest.skip(str(fault))


def run_node(*words: str) -> str:
    """What a Node.js program says in the folder of the flows."""
    require_nodered()
    done = subprocess.run(
        [str(node()), *words], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def start_nodered(mosquitto: Mosquitto, tmp_path: Path) -> Front:
    @asynccontextmanager
    async def start(version: int = 5, **options: Any) -> AsyncIterator[NodeRed]:
        require_nodered(version)
        front = NodeRed(mosquitto.url, "trial", tmp_path / "node-red", version=version, **options)
        async with front.serving():
            yield front

    return start
