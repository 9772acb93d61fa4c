"""The way to a real InfluxDB 1.6 and a real VictoriaMetrics (v2 write API), whatever becomes of them."""

import gzip
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from click.testing import CliRunner

from pems_core.cli import pems
from pems_core.clock import SystemClock
from pems_core.commanding.store import Store
from pems_core.config import HistoryMapping, InfluxSection, parse_config
from pems_core.config.core import CORE_SECTIONS
from pems_core.domain import HOUR, QUARTER, Alert, ConfigError, floor_time
from pems_core.recording.catalogue import BATTERY, EVENTS, FLOWS
from pems_core.recording.influx import Buffer, Influx, InfluxWriter, NotTaken, read_history
from pems_core.recording.influx.history import own
from pems_core.recording.points import Point, Value, as_lines
from tests.brokers import free_port
from tests.databases import InfluxDb, VictoriaMetrics

START = datetime(2025, 1, 15, 10, tzinfo=UTC)
STEP = timedelta(seconds=10)
AN_HOUR = HOUR // STEP
PATIENT_S = 60.0


def point(k: int) -> Point:
    fields: dict[str, Value | None] = {"soc": 0.2 + k % 100 / 200, "mode": "load_first"}
    return BATTERY.point(START + k * STEP, "home", {"device": "inverter"}, fields)


def writer(section: InfluxSection, folder: Path, buffer_mb: float = 50.0) -> InfluxWriter:
    clock = SystemClock()
    buffer = Buffer(folder / "influxdb.sqlite3", clock, buffer_mb * 1e6)
    made = InfluxWriter(
        lambda: Influx(section), buffer, clock, folder / "refused.txt", flush_every_s=0.05, retry_most_s=0.3
    )
    return made.start()


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def version_1(url: str, retention_days: float = 0.0) -> InfluxSection:
    return InfluxSection(url=url, version=1, timeout_s=5.0, retention_days=retention_days)


def version_2(url: str) -> InfluxSection:
    return InfluxSection(url=url, version=2, org="home", timeout_s=5.0)


def test_every_point_is_there_once_after_the_server_was_killed_for_an_hour_of_data(
    influxdb: InfluxDb, tmp_path: Path
) -> None:
    to = writer(version_1(influxdb.url), tmp_path)
    to.put(point(k) for k in range(100))
    wait_for(lambda: to.waiting == 0, "the first points are not taken")
    influxdb.kill()
    for k in range(100, 100 + AN_HOUR):
        to.put([point(k)])
    wait_for(lambda: to.alerts, "nobody says that the server is away")
    # What the server had taken last may be lost with it.
    assert to.waiting == 100 + AN_HOUR
    influxdb.start()
    to.put(point(k) for k in range(100 + AN_HOUR, 200 + AN_HOUR))
    wait_for(lambda: to.waiting == 0, "the points of the outage are not sent")
    assert not to.alerts
    to.close(10)
    [series] = influxdb.ask('SELECT "soc" FROM "battery"')
    assert [at for at, _ in series["values"]] == [
        round((START + k * STEP).timestamp() * 1000) for k in range(200 + AN_HOUR)
    ]


def test_what_a_killed_server_had_taken_but_not_kept_is_sent_again(victoria: VictoriaMetrics, tmp_path: Path) -> None:
    to = writer(version_2(victoria.url), tmp_path)
    to.put(point(k) for k in range(100))
    wait_for(lambda: to.waiting == 0, "the first points are not taken")
    # VictoriaMetrics says yes to what it has in memory only.
    victoria.kill()
    for k in range(100, 100 + AN_HOUR):
        to.put([point(k)])
    wait_for(lambda: to.alerts, "nobody says that the server is away")
    victoria.start()
    to.put(point(k) for k in range(100 + AN_HOUR, 200 + AN_HOUR))
    wait_for(lambda: to.waiting == 0, "the points of the outage are not sent")
    to.close(10)
    [times] = victoria.times("battery_soc").values()
    assert times == [round((START + k * STEP).timestamp() * 1000) for k in range(200 + AN_HOUR)]


def test_a_server_that_died_and_came_back_between_two_writes_has_every_point(
    victoria: VictoriaMetrics, tmp_path: Path
) -> None:
    """As under a supervisor that starts it again at once: no write fails, and yet what it had in memory is gone."""
    to = writer(version_2(victoria.url), tmp_path)
    for k in range(0, AN_HOUR, 10):
        to.put(point(k + i) for i in range(10))
    wait_for(lambda: to.waiting == 0, "the first points are not taken")
    victoria.kill()
    victoria.start()
    to.put([point(AN_HOUR)])
    wait_for(lambda: to.waiting == 0, "the next point is not taken")
    to.close(10)
    assert not to.alerts
    [times] = victoria.times("battery_soc").values()
    assert times == [round((START + k * STEP).timestamp() * 1000) for k in range(AN_HOUR + 1)]


def test_a_server_that_ends_every_connection_without_a_word_takes_every_point(tmp_path: Path) -> None:
    """Such as behind a proxy: that connections end is no sign there, and must not have the same points sent forever."""
    with rude_server() as (port, bodies):
        to = writer(InfluxSection(url=f"http://127.0.0.1:{port}", version=3, timeout_s=5.0), tmp_path)
        for k in range(20):
            to.put([point(k)])
            wait_for(lambda: to.waiting == 0, "a point is not taken")
        to.close(10)
    sent = "\n".join(bodies).split("\n")
    assert set(sent) == set(as_lines(point(k) for k in range(20)))


@contextmanager
def rude_server() -> Iterator[tuple[int, list[str]]]:
    """Says yes to everything, and ends each connection after that without a word."""

    class Rude(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            bodies.append(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))).decode())
            self.send_response(204)
            self.end_headers()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    bodies: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Rude) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server.server_port, bodies
        server.shutdown()


def test_a_disk_that_hangs_costs_points_and_never_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pems_core.recording.influx.writer.MOST_QUEUED", 50)
    disk = Event()
    monkeypatch.setattr(Buffer, "add", lambda *_: disk.wait())
    to = writer(version_1(f"http://127.0.0.1:{free_port()}"), tmp_path)
    to.put([point(0)])
    wait_for(lambda: not to._queue, "the first point is not taken from memory")
    for k in range(100):
        to.put([point(k)])
    first = next(alert for alert in to.alerts if "were lost" in alert.text)
    assert first.text.startswith("49 points were lost")
    assert [alert for alert in to.alerts if "were lost" in alert.text] == [first]
    disk.set()
    to.close(10)


def test_points_wait_on_the_disk_over_a_restart(influxdb: InfluxDb, tmp_path: Path) -> None:
    influxdb.kill()
    first = writer(version_1(influxdb.url), tmp_path)
    first.put(point(k) for k in range(50))
    wait_for(lambda: first.alerts, "nobody says that the server is away")
    first.close(10)
    influxdb.start()
    second = writer(version_1(influxdb.url), tmp_path)
    wait_for(lambda: second.waiting == 0, "what waited is not sent")
    second.close(10)
    assert influxdb.counted("battery", "soc") == 50


def test_a_point_that_is_refused_is_set_aside_and_holds_up_no_other(influxdb: InfluxDb, tmp_path: Path) -> None:
    to = writer(version_1(influxdb.url), tmp_path)
    to.put([point(0)])
    wait_for(lambda: to.waiting == 0, "the first point is not taken")
    wrong = Point("battery", START + STEP, {"site": "home", "device": "inverter"}, {"soc": "full"})
    to.put([*(point(k) for k in range(2, 40)), wrong, *(point(k) for k in range(40, 100))])
    wait_for(lambda: to.waiting == 0, "the others are not taken")
    [alert] = to.alerts
    assert "1 points were not taken" in alert.text
    assert "field type conflict" in alert.text
    assert (tmp_path / "refused.txt").read_text().splitlines()[1].startswith("battery,device=inverter,site=home soc=")
    assert influxdb.counted("battery", "soc") == 99
    to.close(10)


def test_texts_of_several_lines_and_broken_letters_are_points_like_others(influxdb: InfluxDb, tmp_path: Path) -> None:
    """An error's text has lines, and JSON can carry half a letter: one such point ended the way of all points."""
    tags = {"kind": "override", "severity": "info", "place": "a\nb", "phase": "begun"}
    said = ["two\nlines", "half a letter \ud800", 'quoted " and \\']
    events = [EVENTS.point(START + k * STEP, "home", tags, {"text": text}) for k, text in enumerate(said)]
    nothing = BATTERY.point(START, "home", {"device": "inverter"}, {"soc": math.nan})
    to = writer(version_1(influxdb.url), tmp_path)
    # Beside a point that is refused a batch is halved: what is one point must be one line.
    to.put([point(1), *events, nothing, point(2)])
    wait_for(lambda: to.waiting == 0, "the points are not taken")
    to.put([Point("battery", START, {"site": "home", "device": "inverter"}, {"soc": "full"}), *events])
    wait_for(lambda: to.waiting == 0, "the points are not taken")
    assert [alert.text.split(",")[0] for alert in to.alerts] == ["1 points were not taken"]
    to.close(10)
    [series] = influxdb.ask('SELECT "text" FROM "events"')
    assert [text for _, text in series["values"]] == ["two lines", "half a letter ?", 'quoted " and \\']
    assert influxdb.counted("battery", "soc") == 2


def test_a_point_that_cannot_be_written_is_counted_and_costs_no_other(influxdb: InfluxDb, tmp_path: Path) -> None:
    to = writer(version_1(influxdb.url), tmp_path)
    broken: Any = {"soc": object()}
    to.put([Point("battery", START, {"site": "home", "device": "inverter"}, broken)])
    to.put(point(k) for k in range(10))
    wait_for(lambda: influxdb.counted("battery", "soc") == 10, "the others are not taken")
    assert "1 points were lost, that cannot be written; the last: TypeError" in to.alerts[0].text
    to.close(10)


def test_a_refused_point_on_a_full_disk_holds_up_no_other(influxdb: InfluxDb, tmp_path: Path) -> None:
    (tmp_path / "refused.txt").mkdir()  # nothing can be written there, as on a full disk
    to = writer(version_1(influxdb.url), tmp_path)
    to.put([point(0), Point("battery", START, {"site": "home", "device": "inverter"}, {"soc": "full"}), point(1)])
    wait_for(lambda: to.waiting == 0 and to.alerts, "the points are not taken")
    to.put([point(2)])
    wait_for(lambda: influxdb.counted("battery", "soc") == 3, "no point is taken any more")
    assert ["1 points were not taken" in alert.text for alert in to.alerts] == [True]
    to.close(10)


def test_points_wait_on_the_disk_until_a_connection_can_be_made(influxdb: InfluxDb, tmp_path: Path) -> None:
    """Such as while the file of an authority is not there yet."""
    authority = tmp_path / "ca.pem"

    def make() -> Influx:
        authority.read_text()
        return Influx(version_1(influxdb.url))

    clock = SystemClock()
    buffer = Buffer(tmp_path / "influxdb.sqlite3", clock, 1e6)
    to = InfluxWriter(make, buffer, clock, tmp_path / "refused.txt", flush_every_s=0.05, retry_most_s=0.3).start()
    to.put([point(0)])
    wait_for(lambda: to.alerts, "nobody says that there is no connection")
    assert "ca.pem" in to.alerts[0].text
    assert "points wait on the disk" in to.alerts[0].text
    authority.touch()
    wait_for(lambda: to.waiting == 0, "the point is not taken")
    assert not to.alerts
    to.close(10)
    assert influxdb.counted("battery", "soc") == 1


def test_what_is_in_memory_at_the_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Event()
    monkeypatch.setattr(Buffer, "add", lambda *_: disk.wait())
    to = writer(version_1(f"http://127.0.0.1:{free_port()}"), tmp_path)
    to.put([point(0)])
    wait_for(lambda: not to._queue, "the first point is not taken from memory")
    to.put(point(k) for k in range(1, 8))
    to.close(0.1)
    assert "7 points were in memory at the end, and are lost" in caplog.text
    disk.set()
    to.close(10)


def test_a_user_that_may_only_read_and_write_is_enough(tmp_path: Path) -> None:
    database = InfluxDb(tmp_path, with_users=True)
    database.start()
    try:
        database.tell("CREATE USER admin WITH PASSWORD 'all' WITH ALL PRIVILEGES")
        for said in ("CREATE DATABASE pems", "CREATE USER pems WITH PASSWORD 'some'", "GRANT ALL ON pems TO pems"):
            database.tell(said, u="admin", p="all")
        user = 'version = 1\nretention_days = 800\nuser = "pems"\npassword = { env = "PASSWORD" }'
        house = f'{HOUSE}url = "{database.url}"\n{user}'
        for given, there in (("some", True), ("wrong", False)):
            section = parse_config(house, CORE_SECTIONS, {"PASSWORD": given})[InfluxSection]
            (tmp_path / given).mkdir()
            alerts = alerts_of_ten_points(section, tmp_path / given)
            assert [there or "401 authorization failed; points wait" in alert.text for alert in alerts] == [True][
                there:
            ]
    finally:
        database.kill()


def alerts_of_ten_points(section: InfluxSection, folder: Path) -> Sequence[Alert]:
    """What is said once they are taken, or are not."""
    to = writer(section, folder)
    to.put(point(k) for k in range(10))
    wait_for(lambda: to.waiting == 0 or to.alerts, "nothing becomes of the points")
    to.close(10)
    return to.alerts


def test_a_full_buffer_loses_the_oldest_and_says_how_many(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "buffer.sqlite3", SystemClock(), most_bytes=3000)
    for k in range(300):
        buffer.add(as_lines([point(k)]))
    kept = buffer.after(0, 5000)
    assert kept is not None
    left = buffer.points_after(0)
    assert 10 < left < 300
    assert kept.lines[0] == as_lines([point(300 - left)])[0]
    [alert] = buffer.alerts
    assert f"{300 - left} points were lost" in alert.text
    buffer.close()


def test_every_millisecond_is_a_time_of_its_own() -> None:
    times = [START + k * timedelta(milliseconds=1) for k in range(1000)]
    lines = as_lines(BATTERY.point(at, "home", {"device": "inverter"}, {"soc": 0.5}) for at in times)
    first = round(START.timestamp() * 1000)
    assert [int(line.split()[-1]) for line in lines] == [first + k for k in range(1000)]


def test_points_stay_in_order(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path / "buffer.sqlite3", SystemClock(), most_bytes=1e6)
    for k in range(200):
        buffer.add(as_lines([point(k)]))
    found: list[str] = []
    number = 0
    while (batch := buffer.after(number, 7)) is not None:
        assert len(batch.lines) <= 7
        found += batch.lines
        number = batch.number
    assert found == as_lines([point(k) for k in range(200)])
    buffer.close()


def test_makes_the_database_with_its_retention(influxdb: InfluxDb, tmp_path: Path) -> None:
    for days in (400.0, 800.0):
        server = Influx(version_1(influxdb.url, retention_days=days))
        server.prepare()
        server.close()
        [policies] = influxdb.ask('SHOW RETENTION POLICIES ON "pems"')
        [kept] = [row for row in policies["values"] if row[0] == "pems"]
        assert kept[1] == f"{days * 24:g}h0m0s"
        assert kept[-1] is True


def test_nobody_waits_for_a_server_that_hangs(tmp_path: Path) -> None:
    import socket

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)
        to = writer(version_1(f"http://127.0.0.1:{deaf.getsockname()[1]}"), tmp_path)
        began = time.monotonic()
        for k in range(1000):
            to.put([point(k)])
        assert time.monotonic() - began < 2.0
        wait_for(lambda: to.alerts, "nobody says that the server hangs")
        assert to.waiting == 1000


def flows(quarter: int, pv_kw: float, load_kw: float) -> Sequence[Point]:
    at = START + quarter * QUARTER
    values = {"pv_kw": pv_kw, "load_kw": load_kw, "heating_kw": 1.0, "import_kw": 0.5}
    return [
        FLOWS.point(at + k * timedelta(minutes=1), "home", {}, {name: v + 0.1 * (k - 7) for name, v in values.items()})
        for k in range(15)
    ]


def test_reads_back_what_pems_wrote(influxdb: InfluxDb, tmp_path: Path) -> None:
    section = version_1(influxdb.url)
    to = writer(section, tmp_path)
    for quarter in range(8):
        to.put(flows(quarter, float(quarter), 3.0))
    wait_for(lambda: to.waiting == 0, "the points are not taken")
    to.close(10)
    server = Influx(section)
    frame = read_history(server, START, START + 2 * HOUR)
    server.close()
    assert frame.index[0].to_pydatetime() == START
    assert list(frame["pv_kw"].round(9)) == [float(quarter) for quarter in range(8)]
    # Load less heating, at each moment.
    assert list(frame["base_load_kw"].round(9)) == [2.0] * 8
    assert "ghi_w_m2" not in frame or frame["ghi_w_m2"].isna().all()


def test_two_houses_in_one_database_learn_each_from_its_own(influxdb: InfluxDb) -> None:
    server = Influx(version_1(influxdb.url))
    server.prepare()
    ends = [START + k * QUARTER for k in range(4)]
    for site, pv_kw in (("home", 1.0), ("cottage", 5.0)):
        server.write("\n".join(as_lines(FLOWS.point(at, site, {}, {"pv_kw": pv_kw}) for at in ends)))
    for site, pv_kw in (("home", 1.0), ("cottage", 5.0)):
        assert list(read_history(server, START, START + HOUR, own(site))["pv_kw"]) == [pv_kw] * 4
    server.close()


def test_starts_from_an_existing_installation_by_its_own_names(influxdb: InfluxDb) -> None:
    section = version_1(influxdb.url)
    server = Influx(section)
    server.prepare()
    ms = round(START.timestamp() * 1000)
    server.write(
        "\n".join(
            f"solax,string={string},plant=main\\ roof ppv={watts} {ms + 60000 * k}"
            for string, watts in (("1", 1500), ("2", 700))
            for k in range(30)
        )
    )
    roof = {"plant": "main roof"}
    mapping = [
        HistoryMapping(series="pv_kw", measurement="solax", field="ppv", tags=roof | {"string": string}, factor=0.001)
        for string in ("1", "2")
    ]
    frame = read_history(server, START - HOUR, START + HOUR, mapping)
    assert list(frame["pv_kw"].round(6)) == [2.2, 2.2]
    with pytest.raises(NotTaken, match="error parsing query"):
        server.ask("SELECT")
    server.close()


HOUSE = """
[site]
latitude = 50.0
longitude = 15.0
timezone = "UTC"
[grid]
import_limit_kw = 17.0
[influxdb]
"""


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ('url = "localhost:8086"', "influxdb.url: found 'localhost:8086'; allowed: \"http://host:port\""),
        ('url = "http://db"\nversion = 4', "influxdb.version"),
        ('url = "http://db"\nversion = 1\nuser = "pems"', "influxdb.password: found one of user and password"),
        ('url = "http://db"\ntoken = "abc"', "a secret does not stand in the house file"),
        ('url = "http://db"\n[[influxdb.history]]\nseries = "pv_kw"\nmeasurement = "m"', "influxdb.history[1].field"),
    ],
)
def test_a_bad_section_is_told_with_its_place(said: str, fault: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse_config(HOUSE + said, CORE_SECTIONS)
    assert fault in str(told.value)


def test_an_address_where_nobody_listens_is_told(tmp_path: Path) -> None:
    to = writer(version_1(f"http://127.0.0.1:{free_port()}"), tmp_path)
    to.put([point(0)])
    wait_for(lambda: to.alerts, "nobody says that there is no server")
    assert "points wait on the disk" in to.alerts[0].text
    to.close(10)


def test_forecasters_learn_from_what_the_database_has(influxdb: InfluxDb, tmp_path: Path) -> None:
    server = Influx(version_1(influxdb.url))
    server.prepare()
    midnight = floor_time(datetime.now(UTC), timedelta(days=1))
    rows = [as_lines([FLOWS.point(midnight - k * QUARTER, "home", {}, {"pv_kw": 0.01 * k})])[0] for k in range(1, 97)]
    server.write("\n".join(rows))
    server.close()
    file = tmp_path / "pems.toml"
    file.write_text(HOUSE + f'url = "{influxdb.url}"\nversion = 1\n')
    took = CliRunner().invoke(pems, ["history", "--house", str(file), "--from-influxdb", "--days", "3"])
    assert "96 quarter hours were taken" in took.output
    assert re.search(r"pv_kw .* 1\.0\b", took.output)
    again = CliRunner().invoke(pems, ["history", "--house", str(file), "--from-influxdb", "--days", "3"])
    assert "0 quarter hours were taken" in again.output
    with Store(tmp_path / "state", SystemClock(), writing=False) as store:
        assert store.history(3)["pv_kw"].max() == pytest.approx(0.96)
