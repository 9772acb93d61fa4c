"""A disk that takes nothing more."""

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from pems_core.runtime.state_folder import read_json, write_json

from .conftest import Start, wait_for


@pytest.fixture
def full_disk() -> Iterator[None]:
    """The system refuses to let this process make a file longer than one byte."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_goes_on_beating_while_the_disk_is_full(start_engine: Start) -> None:
    async with start_engine() as running:
        await wait_for(lambda: running.ears.last("plan"))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
        try:
            beats = len(running.transport.beats)
            await wait_for(lambda: len(running.transport.beats) > beats + 2)
            assert not running.ended.done()
            alerts = running.engine.live.alerts.own
            assert any(alert.place == "heartbeat.json" for alert in alerts)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await wait_for(lambda: not any(a.place == "heartbeat.json" for a in running.engine.live.alerts.own))


def test_says_so_if_nothing_at_all_can_be_written(tmp_path: Path, full_disk: None) -> None:
    file = tmp_path / "heartbeat.json"
    file.write_bytes(b"1")
    with pytest.raises(OSError, match="large"):
        write_json(file, {"count": 2})
    assert not list(tmp_path.glob("*.new"))
    assert len(file.read_bytes()) == 1


def test_writes_over_the_old_file_if_there_is_no_room_for_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "heartbeat.json"
    write_json(file, {"count": 1000})

    def no_room(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", no_room)
    write_json(file, {"count": 2})
    assert json.loads(file.read_text()) == {"count": 2} == read_json(file)
