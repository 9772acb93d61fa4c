"""The dashboards: made by code, known to Grafana's own schema, and every panel shows something on a simulated week."""

import json
import math
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from grafana import schema
from grafana.__main__ import main as write
from grafana.answers import Answer, Viewer, read
from grafana.boards import FOLDER, boards, files
from grafana.filled import fill, viewer
from grafana.watchers import WATCHERS, at_all_sites
from grafana.week import DAYS, END, LOST, Week
from pems_core.domain import HOUR, QUARTER
from pems_core.recording.catalogue import BY_NAME, FLOWS
from tests.databases import InfluxDb
from tests.test_docs import ROOT, anchors

NAMES = [board.name for board in boards()]
WHOLE = (0.0, 1.0)
ANY = (-math.inf, math.inf)
PLAUSIBLE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "overview": {
        "Rooms heated now": (0.0, 21.0),
        "Battery": (-1, 2),
        "Inverter mode": (0, 2),
        "Feeding in": (0, 2),
        "Price now": (0.5, 10.0),
        "Alerts in force": (0, 20),
        "Saved today": (-100.0, 300.0),
        "Saved this week": (50.0, 1500.0),
        "Saved this month": (50.0, 1500.0),
        "Bill today": (-50.0, 500.0),
        "Self-consumption": (0.3, 1.0),
        "Self-sufficiency": (0.05, 0.95),
        "Power": (0.0, 25.0),
        "Price and state of charge": (-1.0, 10.0),
        "Energy by day": (0.0, 150.0),
        "Bill and savings by day": (-50.0, 500.0),
    },
    "battery": {
        "State of charge": (0.15, 1.0),
        "Charging": (-1, 2),
        "Mode": (0, 2),
        "Full cycles, last 24 h": (0.0, 3.0),
        "Cells": (5.0, 40.0),
        "State of charge, as planned and as it is": (0.0, 10.0),
        "Battery power": (0.0, 10.0),
        "Charging from the grid": WHOLE,
        "From where to where": (0.0, 17.5),
        "Full cycles by day": (0.0, 3.0),
        "Energy by day": (0.0, 30.0),
        "Cost of charging from the grid by day": (0.0, 60.0),
    },
    "heating": {
        "Heaters now": (0.0, 21.0),
        "Energy, last 24 h": (10.0, 200.0),
        "Discomfort, last 24 h": (0.0, 20.0),
        "Outside": (-10.0, 20.0),
        "Relays": WHOLE,
        "Pre-heating": WHOLE,
        "Energy by room, over the time shown": (0.0, 60.0),
        "Discomfort by room, over the time shown": (0.0, 5.0),
        "Energy by day": (10.0, 800.0),
        "Setpoint changes, with the price": (0.0, 25.0),
        "Comfort alerts": ANY,
        "$room": (14.0, 26.0),
    },
    "export": {
        "Feeding in": (0, 2),
        "Power": (0.0, 10.0),
        "Feed-in price": (-1.0, 8.0),
        "Worth it from": (-1.0, 10.0),
        "Revenue, last 24 h": (-20.0, 200.0),
        "Price against threshold": (-1.0, 10.5),
        "State": (0, 2),
        "Allowed": WHOLE,
        "Revenue by day": (-20.0, 200.0),
        "Fed in by day, of PV": (0.0, 100.0),
        "Reasons": (-50.0, 100.0),
    },
    "performance": {
        "Commands carried out": (0.9, 1.0),
        "Answer, 95th percentile": (0.4, 4.0),
        "Cost as planned": (0.7, 1.5),
        "Arbitrage today": (-20.0, 100.0),
        "Plans come from": (0, 1),
        "PEMS is": (1, 1),
        "Strategy: expected and achieved": (-60.0, 120.0),
        "What was gained by day": (-20.0, 200.0),
        "Dearer than the best possible, by day": (-30.0, 100.0),
        "Dearer than the best possible, last day": (0.0, 100.0),
        "Carried out, by kind": (0.9, 1.0),
        "Response times": (0.3, 4.0),
        "Commands that failed": ANY,
        "Time for a plan": (0.01, 120.0),
        "Gap": (0.0, 30.0),
        "Error of the PV forecast": (0.0, 8.0),
        "Error of the load forecast": (0.0, 4.0),
        "Error of the temperature forecast": (0.0, 8.0),
        "Memory and processor": (0.0, 4000.0),
        "Age of readings": (1.0, 60.0),
        "Waiting for the database, and how late the loop was": (0.0, 0.0),
        "Alerts and overrides": ANY,
    },
}
"""Least and greatest value that a panel may show in this week, by dashboard and title; of texts anything."""


@dataclass
class Looked:
    """What somebody sees who looks at all dashboards at the end of the week."""

    week: Week
    viewer: Viewer
    database: InfluxDb
    answers: Mapping[str, list[Answer]]

    def panel(self, board: str, title: str) -> Answer:
        return next(a for a in self.answers[board] if a.panel["title"] == title)


def committed(name: str) -> dict[str, Any]:
    return read((FOLDER / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    database = InfluxDb(tmp_path_factory.mktemp("influxdb"))
    database.start()
    week = Week().live()
    looking = viewer(fill(database.url, week.points).ask, week.rooms)
    yield Looked(week, looking, database, {name: looking.panels(committed(name)) for name in NAMES})
    database.kill()


@pytest.mark.parametrize("path", sorted(files()))
def test_the_committed_file_is_what_the_code_makes(path: str) -> None:
    assert (FOLDER / path).read_text(encoding="utf-8") == files()[path], "run python -m grafana"


def test_there_is_no_other_file() -> None:
    made = [path.relative_to(FOLDER).as_posix() for path in (FOLDER / "dashboards").iterdir()]
    assert sorted(made) == sorted(path for path in files() if path.startswith("dashboards"))


def test_grafanas_own_schema_knows_every_field_and_value() -> None:
    try:
        schema.install()
    except (OSError, subprocess.SubprocessError) as fault:
        why = f"@grafana/schema could not be fetched: {fault}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    texts = {name: (FOLDER / "dashboards" / f"{name}.json").read_text(encoding="utf-8") for name in NAMES}
    assert schema.faults(texts) == ""
    # A compiler that finds nothing has to be one that would.
    wrong = texts["battery"].replace('"unit": "kwatt"', '"unti": "kwatt"', 1)
    assert "unti" in schema.faults({"battery": wrong})
    wrong = texts["battery"].replace('"colorMode": "value"', '"colorMode": "rainbow"', 1)
    assert "rainbow" in schema.faults({"battery": wrong})


@pytest.mark.parametrize("name", NAMES)
class TestBoard:
    def test_every_panel_shows_something_plausible(self, name: str, looked: Looked) -> None:
        shown: set[str] = set()
        for answer in looked.answers[name]:
            title = "$room" if answer.panel.get("repeat") else answer.panel["title"]
            low, high = PLAUSIBLE[name][title]
            values = [value for course in answer.courses for value in course.values if value is not None]
            assert values, f"{title} shows nothing"
            numbers = [value for value in values if isinstance(value, int | float)]
            assert all(low <= value <= high for value in numbers), (title, min(numbers), max(numbers))
            asked = [t for t in answer.panel["targets"] if t["resultFormat"] == "time_series"]
            assert len(answer.courses) >= len(asked), f"{title}: a question has no answer"
            shown.add(title)
        assert shown == set(PLAUSIBLE[name])

    def test_panels_stand_side_by_side_and_none_on_another(self, name: str, looked: Looked) -> None:
        taken: set[tuple[int, int]] = set()
        for panel in committed(name)["panels"]:
            pos = panel["gridPos"]
            cells = {(x, y) for x in range(pos["x"], pos["x"] + pos["w"]) for y in range(pos["y"], pos["y"] + pos["h"])}
            assert max(x for x, _ in cells) < 24
            assert not cells & taken, panel["title"]
            taken |= cells

    def test_it_can_be_read_on_a_phone(self, name: str, looked: Looked) -> None:
        # There every panel has the whole width: a long title is cut off, and a legend at the side takes it all.
        for panel in committed(name)["panels"]:
            assert len(panel["title"]) <= 52, panel["title"]
            assert panel.get("options", {}).get("legend", {}).get("placement", "bottom") == "bottom"

    def test_every_panel_has_a_unit_and_thresholds_or_colours(self, name: str, looked: Looked) -> None:
        for panel in committed(name)["panels"]:
            if panel["type"] != "row":
                defaults = panel["fieldConfig"]["defaults"]
                assert defaults["unit"]
                assert defaults["thresholds"]["steps"]

    def test_what_it_refers_to_is_there(self, name: str, looked: Looked) -> None:
        text = (FOLDER / "dashboards" / f"{name}.json").read_text(encoding="utf-8")
        board = json.loads(text)
        declared = {variable["name"] for variable in board["templating"]["list"]}
        used = set(re.findall(r"\$(\w+)|\$\{(\w+)", text.replace("$tag_", "")))
        words = {first or second for first, second in used}
        assert words - declared <= {"timeFilter", "__interval", "__url_time_range"} | {
            tag for measurement in BY_NAME.values() for tag in measurement.tags
        }
        uids = {board.uid for board in boards()}
        assert set(re.findall(r"/d/([\w-]+)", text)) <= uids
        assert board["links"][0]["type"] == "dashboards"

    def test_its_variables_find_what_there_is(self, name: str, looked: Looked) -> None:
        for variable in committed(name)["templating"]["list"]:
            if variable["type"] == "query":
                question = looked.viewer.put(variable["query"], looked.viewer.now)
                found = {value for series in looked.viewer.ask(question) for _, value in series["values"]}
                assert set(looked.viewer.chosen[variable["name"]]) <= found

    def test_alerts_and_overrides_mark_its_courses(self, name: str, looked: Looked) -> None:
        marks = {}
        for annotation in committed(name)["annotations"]["list"]:
            question = looked.viewer.put(annotation["target"]["query"], END - DAYS * 96 * QUARTER)
            series = looked.viewer.ask(question)
            assert {"title", "text", "place"} <= set(series[0]["columns"])
            marks[annotation["name"]] = [row[0] for row in series[0]["values"]]
        assert round(LOST[0].timestamp() * 1000) in marks["Critical alerts"]
        assert len(marks["Overrides"]) == 2

    def test_there_is_a_picture_of_it(self, name: str, looked: Looked) -> None:
        page = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
        assert f"images/grafana/{name}.png" in page
        assert (ROOT / "docs/images/grafana" / f"{name}.png").exists()


def test_energy_by_day_is_that_of_the_simulated_house(looked: Looked) -> None:
    flows = looked.week.house.flows()
    shown = {course.name: course for course in looked.panel("overview", "Energy by day").courses}
    for name, column in (("PV", "pv_kw"), ("from the grid", "grid_import_kw"), ("into the grid", "grid_export_kw")):
        kwh = float(flows[column].sum()) / 4
        # The last sample of the week is a quarter hour before its end.
        assert sum(shown[name].values) == pytest.approx(kwh, rel=0.02, abs=0.5), name


def test_a_day_in_grafana_is_a_day_in_the_house(looked: Looked) -> None:
    times = looked.panel("overview", "Energy by day").courses[0].times
    assert [at.hour for at in times] == [23] * DAYS


@pytest.mark.parametrize(
    ("sunday", "hours"),
    [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25)],
    ids=["clocks go forward", "clocks go back"],
)
@pytest.mark.parametrize("later", [0, 5], ids=["that evening", "five days later"])
def test_a_day_in_grafana_is_a_day_in_the_house_when_clocks_change(
    influxdb: InfluxDb, sunday: date, hours: int, later: int
) -> None:
    """Each day is whole, also the oldest, and has as many hours as clocks give it."""
    prague = ZoneInfo("Europe/Prague")
    now = datetime.combine(sunday + timedelta(days=later), time(20), prague).astimezone(UTC)
    begin = now - 10 * 24 * HOUR
    ends = [begin + k * QUARTER for k in range(1, round((now - begin) / QUARTER) + 1)]
    server = fill(influxdb.url, [FLOWS.point(at, "reference", {}, {"pv_kwh": 0.25}) for at in ends])
    looking = Viewer(server.ask, now, {"site": ["reference"], "room": [], "baseline": ["self_use"]})
    board = committed("overview")
    [panel] = [panel for panel in board["panels"] if panel["title"] == "Energy by day"]
    pv = next(course for course in looking.answer(board, panel).courses if course.name == "PV")
    days = [sunday + timedelta(days=later - k) for k in range(6, -1, -1)]
    assert [at.astimezone(prague) for at in pv.times] == [datetime.combine(day, time(0), prague) for day in days]
    *whole, today = pv.values
    assert whole == [hours if day == sunday else 24 for day in days[:-1]]
    assert today == 20.25 + (hours - 24 if later == 0 else 0)
    server.close()


def test_files_are_of_the_currency_and_the_days_of_a_house() -> None:
    for path, text in files("EUR", "Europe/Lisbon").items():
        assert "CZK" not in text, path
        assert "Prague" not in text, path
        assert path.startswith("provisioning") or '"timezone": "Europe/Lisbon"' in text
    with pytest.raises(SystemExit, match="found 'Europe/Lisbonne'; allowed: a name such as Europe/Prague"):
        write(["EUR", "Europe/Lisbonne"])


def test_what_is_said_of_today_is_not_of_yesterday(looked: Looked) -> None:
    """An hour after midnight on Monday nobody has worked out anything yet of this day and week."""
    monday = replace(looked.viewer, now=looked.viewer.now + HOUR)
    shown = {answer.panel["title"]: answer.courses for answer in monday.panels(committed("overview"))}
    assert [shown[title] for title in ("Saved today", "Bill today", "Saved this week")] == [[], [], []]
    assert shown["Saved this month"] != []


def test_the_bill_is_that_of_the_simulated_house(looked: Looked) -> None:
    bill = next(c for c in looked.panel("overview", "Bill and savings by day").courses if c.name == "bill")
    assert sum(bill.values) == pytest.approx(float(looked.week.house.flows()["cost"].sum()), rel=1e-6)
    [metered] = looked.viewer.ask('SELECT sum("import_cost") - sum("export_revenue") FROM "flows"')
    assert metered["values"][0][1] == pytest.approx(sum(bill.values), rel=0.03)


@pytest.mark.parametrize("watcher", WATCHERS, ids=lambda watcher: watcher.name)
def test_a_rule_of_grafana_asks_what_there_is(watcher: Any, looked: Looked) -> None:
    since = END - DAYS * 96 * QUARTER
    found = looked.viewer.ask(looked.viewer.put(at_all_sites(watcher), since))
    for series in found:
        assert isinstance(series["values"][0][1], int | float)
    # What is wrong in one house, or with one device, is an alert of its own, which nothing in another hides.
    named = {"silent": {}, "lost": {"site": "reference", "device": "heating"}}
    assert found[0].get("tags", {}) == named.get(watcher.name, {"site": "reference"})
    assert watcher.anchor in anchors(ROOT / "docs/monitoring.md")


def test_a_question_about_what_is_not_declared_is_not_asked() -> None:
    from grafana.questions import ask

    with pytest.raises(ValueError, match="battery: found 'power'; allowed: "):
        ask("battery", "mean power")


def test_provisioning_names_the_folder_of_the_dashboards() -> None:
    text = Path(FOLDER / "provisioning/dashboards/pems.yaml").read_text(encoding="utf-8")
    assert "path: /var/lib/grafana/dashboards/pems" in text
    assert "/var/lib/grafana/dashboards/pems" in (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    source = Path(FOLDER / "provisioning/datasources/pems.yaml").read_text(encoding="utf-8")
    assert "uid: pems\n" in source
