"""What many tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .brokers import Mosquitto

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def example_house() -> Path:
    """The reference house that is shipped."""
    return ROOT / "pems.example.toml"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded data; skips the test if there is none, except in CI, where it must be there."""
    named = os.environ.get("PEMS_DATA", "")
    if named and Path(named).is_dir():
        return Path(named)
    why = f"PEMS_DATA is {named!r}, which is no folder" if named else "PEMS_DATA is not set"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}; in CI the tests on recordings must run")
    pytest.skip(f"{why}; it names the folder of recorded data")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker of the test's own."""
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.stop()
