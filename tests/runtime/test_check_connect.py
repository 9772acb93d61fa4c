"""`pems check --connect` as a person runs it: against devices that are real servers, before anything is commanded."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pems_core.clock import SystemClock
from pems_core.commands.inputs import house_from
from pems_core.simulation.live_trial import TrialHouse
from tests.brokers import Mosquitto

from .small_house import constant, small_house_file

AC_CHARGE, SLOT = 1092, 1100
ALL_DAY = (0, 23 << 8 | 59, 1)
"""Start, stop and enable of a slot (protocols A.2)."""
LISTEN_H = "0.003"


@dataclass
class Served:
    house: TrialHouse
    file: Path

    async def check(self, *options: str) -> tuple[int, str]:
        """Exit code and what was printed."""
        run = [sys.executable, "-m", "pems_core.cli", "check", "--house", str(self.file), "--connect", *options]
        child = await asyncio.create_subprocess_exec(*run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return await asyncio.wait_for(_ended(child), 120)

    @property
    def writes(self) -> int:
        return sum(self.house.inverter.writes.values())


async def _ended(child: asyncio.subprocess.Process) -> tuple[int, str]:
    said = (await child.communicate())[0].decode()
    return child.returncode or 0, said


@asynccontextmanager
async def served(example: Path, folder: Path, mosquitto: Mosquitto) -> AsyncIterator[Served]:
    file, clock = small_house_file(example, folder, mosquitto.url), SystemClock()
    house = TrialHouse.of(house_from(file), constant(clock.now()), clock, mosquitto.port)
    async with house.serving():
        yield Served(house, file)


def line_of(said: str, place: str, what: str) -> str:
    """The line of the table that speaks of something at a place."""
    words = [*place.split(), *what.split()]
    return next(line for line in said.splitlines() if line.split()[: len(words)] == words)


@pytest.mark.slow
async def test_listens_without_a_write_and_tells_a_device_that_is_silent_from_one_that_is_not(
    example_house: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """A Miniserver tells what has not changed every five minutes, and here nobody waits for it so long."""
    async with served(example_house, tmp_path, mosquitto) as its:
        code, said = await its.check("--hours", LISTEN_H)
        assert code == 1, said
        assert "inverter: heard, heating: waiting for more" in said
        assert line_of(said, "inverter", "power balance").split()[3] == "fine"
        assert line_of(said, "inverter", "can be let go").split()[5] == "fine"
        assert line_of(said, "heating", "readings").split()[2] == "wrong"
        assert "was never read" in said
        assert its.writes == 0


@pytest.mark.slow
async def test_says_that_something_holds_the_inverter_and_lets_it_go_when_asked(
    example_house: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with served(example_house, tmp_path, mosquitto) as its:
        for address, word in zip(range(SLOT, SLOT + 3), ALL_DAY, strict=True):
            its.house.inverter.put("holding", address, word)
        _, said = await its.check("--hours", LISTEN_H, "--release")
        assert "something holds" in said
        assert line_of(said, "inverter", "was let go").split()[4] == "fine"
        assert its.house.inverter.get("holding", SLOT + 2) == 0


@pytest.mark.slow
async def test_names_the_broker_that_cannot_be_reached(
    example_house: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with served(example_house, tmp_path, mosquitto) as its:
        text = its.file.read_text(encoding="utf-8").replace(mosquitto.url, "mqtt://127.0.0.1:1")
        its.file.write_text(text, encoding="utf-8")
        code, said = await its.check("--hours", "0")
        assert code == 1
        assert line_of(said, "mqtt", "broker").split()[2] == "wrong"
