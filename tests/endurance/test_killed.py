"""An engine that is killed again and again, as `python -m benchmarks kill_9` does it 200 times."""

import os

import pytest

from benchmarks.live_kill import deaths
from tests.brokers import program

ROUNDS = int(os.environ.get("PEMS_KILLED_ENGINES", "10"))


@pytest.mark.slow
async def test_kills_lose_no_override_and_repeat_no_write() -> None:
    program("mosquitto")
    found = await deaths(ROUNDS)
    assert found.ended == 0, found.log
    assert found.rounds == ROUNDS
    assert found.lost == []
    assert found.unchanged == []
    assert found.stale == []
    assert found.blind == 0
