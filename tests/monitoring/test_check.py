"""`pems check` says beforehand whether metrics and letters will find their way."""

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pems_core.cli import pems
from pems_core.config import InfluxSection
from pems_core.recording.influx.server import Away, Influx
from tests.brokers import free_port
from tests.databases import InfluxDb, VictoriaMetrics
from tests.ledger.houses import SMALL_HOUSE


def found(section: InfluxSection) -> str:
    with closing(Influx(section)) as server:
        return server.found()


def test_a_database_that_is_there_and_one_that_will_be_made(influxdb: InfluxDb) -> None:
    section = InfluxSection(url=influxdb.url, version=1)

    before = found(section)
    with closing(Influx(section)) as server:
        server.prepare()

    assert before == f"{influxdb.url}: pems is made by pems run"
    assert found(section) == f"{influxdb.url}: pems is there"


def test_a_server_without_buckets_is_reached_all_the_same(victoria: VictoriaMetrics) -> None:
    assert "answers, and does not say" in found(InfluxSection(url=victoria.url, version=2, org="home"))


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(Away, match=r"http://127.0.0.1:"):
        found(InfluxSection(url=f"http://127.0.0.1:{free_port()}", version=1))


def checked(folder: Path, more: str, **environment: str) -> Result:
    file = folder / "pems.toml"
    file.write_text(SMALL_HOUSE + more, encoding="utf-8")
    return CliRunner().invoke(pems, ["check", "--house", str(file)], env=environment)


NOTIFIED = '[notifications]\nto = [{ env = "PEMS_MAIL" }, { env = "PEMS_PHONE" }]\n'


def test_addresses_of_letters_are_understood_or_named_by_their_place(tmp_path: Path) -> None:
    good = checked(tmp_path, NOTIFIED, PEMS_MAIL="mailto://a:b@mail.example", PEMS_PHONE="ntfys://ntfy.sh/some-topic")
    bad = checked(tmp_path, NOTIFIED, PEMS_MAIL="mailto://a:b@mail.example", PEMS_PHONE="who://secret")

    assert good.exit_code == 0, good.output
    assert "alerts go to 2 addresses" in good.output
    assert bad.exit_code != 0
    assert "notifications.to: address 2 is not understood" in f"{bad.output}{bad.exception}"
    assert "secret" not in bad.output
