"""Real databases, alive for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import InfluxDb, VictoriaMetrics


@pytest.fixture
def influxdb(tmp_path: Path) -> Iterator[InfluxDb]:
    (tmp_path / "influxdb").mkdir()
    server = InfluxDb(tmp_path / "influxdb")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[VictoriaMetrics]:
    (tmp_path / "victoria").mkdir()
    server = VictoriaMetrics(tmp_path / "victoria")
    server.start()
    yield server
    server.kill()
