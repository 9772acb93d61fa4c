"""What many tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .brokers import Mosquitto

ROOT = Path(__file__).parents[1]


LIVE = {
    "commanding",
    "endurance",
    "growatt",
    "growatt_mqtt",
    "loxone",
    "monitoring",
    "nodered",
    "pages",
    "runtime",
    "transport",
}
"""Folders whose tests talk to servers on a clock that runs faster than the wall's."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no worker is left with one; another try for what a busy machine delays."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
    for item in items:
        if LIVE & set(item.path.parts) or item.get_closest_marker("live"):
            item.add_marker(pytest.mark.flaky(reruns=2))


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
