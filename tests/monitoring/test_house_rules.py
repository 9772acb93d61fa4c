"""Days on which everything goes wrong once: each rule fires once and clears once, with the real book and judge."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pems_core.alerting.judge import Judge
from pems_core.alerting.measured import ErrorTrend
from pems_core.alerting.rules import RULES
from pems_core.alerts import AlertBook
from pems_core.clock import Clock
from pems_core.commanding.device_alerts import DeviceAlerts
from pems_core.commanding.store import Store
from pems_core.config import AlertsSection
from pems_core.domain import Alert, HeatingSpec, HeatingState, RoomState, Rung, Severity
from pems_core.recording.metrics.money import Money, Saved
from pems_core.runtime import house_rules
from pems_core.runtime.alerts import HouseAlerts
from pems_core.runtime.house_rules import HouseRules
from pems_core.simulation.devices.small_live_house import room
from tests.runtime.conftest import START

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Hands:
    """A clock that is set by hand."""

    speed = 1.0

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def elapsed_s(self) -> float:
        return (self.at - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@dataclass
class OneRoom:
    """What rules look at, of a house with one room; its state is set by hand."""

    clock: Hands
    alerts: HouseAlerts
    house: Any
    state: Any = None
    followed: Any = None

    @property
    def now(self) -> datetime:
        return self.clock.at


@dataclass
class Scene:
    """A house of one room with the real rules, books and judge."""

    clock: Hands
    alerts: HouseAlerts
    rules: HouseRules
    device: DeviceAlerts
    other: AlertBook
    live: OneRoom
    free_mb: float = 5000.0

    def look(self) -> list[tuple[str, str]]:
        self.rules.look()
        news = self.alerts.news([*self.alerts.own, *self.device.all, *self.other.all])
        return [("begun", a.rule) for a in news.begun] + [("over", a.rule) for a in news.over]

    def room(self, temperature_c: float, fault: str = "") -> None:
        rooms = {"kitchen": RoomState(temperature_c, 22.0)}
        state = HeatingState(rooms, {"kitchen": fault} if fault else {})
        self.live.state = SimpleNamespace(devices={"heating": state})

    def plan(self, rung: Rung) -> None:
        self.live.followed = SimpleNamespace(plan=SimpleNamespace(rung=rung, detail="no prices"))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    clock = Hands()
    as_clock: Clock = clock
    with Store(tmp_path / "state", as_clock) as store:
        alerts = HouseAlerts(as_clock, store, Judge())
        house = SimpleNamespace(equipment={"heating": HeatingSpec((room("kitchen"),), 1.0, 10.0)})
        live: Any = OneRoom(clock, alerts, house)
        section = AlertsSection(month_budget=1000.0)
        rules = HouseRules(live, section, tmp_path, ErrorTrend(section.model_error_factor))
        made = Scene(clock, alerts, rules, DeviceAlerts("inverter", as_clock), AlertBook("inverter"), live)
        usage = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=made.free_mb * 1e6))
        monkeypatch.setattr(house_rules, "shutil", usage)
        made.room(21.0)
        made.plan(Rung.SOLVER)
        yield made


def money(day: datetime, saved: float, bill: float = 100.0) -> Money:
    return Money("day", day, bill, saved={"self_use": Saved(bill + saved, saved)})


def begins(scene: Scene) -> Mapping[str, Any]:
    """What makes each rule fire, and what makes it right again."""
    week = [money(START - k * DAY, 50.0) for k in range(7, 0, -1)]
    month = Money("month", START, 1200.0)
    now = scene.clock.now

    def forecasts(error: float) -> None:
        quarters = range(96) if error > 1 else range(5 * 96)
        begin = now() - len(quarters) * 15 * MINUTE
        for k in quarters:
            scene.rules.trend.note(begin + k * 15 * MINUTE, [("pv_kw", error)])

    return {
        "device_lost": (
            lambda: scene.alerts.set("inverter", "silent", Severity.CRITICAL, "device_lost"),
            lambda: scene.alerts.end("inverter"),
        ),
        "stale_data": (lambda: scene.room(21.0, "last read an hour ago"), lambda: scene.room(21.0)),
        "no_effect": (
            lambda: scene.device.put("effect mode", Severity.WARNING, "no effect"),
            lambda: scene.device.clear("effect mode"),
        ),
        "foreign_writer": (
            lambda: scene.other.put("foreign", "undone twice", now(), Severity.CRITICAL, rule="foreign_writer"),
            lambda: scene.other.clear("foreign"),
        ),
        "comfort": (lambda: scene.room(18.0), lambda: scene.room(20.5)),
        "write_budget": (
            lambda: scene.other.put("worn", "written 11 times", now(), rule="write_budget"),
            lambda: scene.other.clear("worn"),
        ),
        "cost_budget": (
            lambda: scene.rules.take_money([], month),
            lambda: scene.rules.take_money([], replace(month, bill=900.0)),
        ),
        "savings_drop": (
            lambda: scene.rules.take_money([*week, money(START, 5.0)], None),
            lambda: scene.rules.take_money([*week, money(START, 45.0)], None),
        ),
        "model_degraded": (lambda: forecasts(3.0), lambda: forecasts(1.0)),
        "disk": (lambda: setattr(scene, "free_mb", 200.0), lambda: setattr(scene, "free_mb", 5000.0)),
        "below_plan": (lambda: scene.plan(Rung.RULES), lambda: scene.plan(Rung.SOLVER)),
    }


def test_each_rule_fires_once_and_clears_once(scene: Scene) -> None:
    script = begins(scene)
    assert set(script) == {rule.name for rule in RULES}
    # A forecast needs days to compare with.
    script["model_degraded"][1]()
    told: list[tuple[str, str]] = []
    for rule in RULES:
        begin, end = script[rule.name]
        for act, length in ((begin, 5 * HOUR), (end, 5 * HOUR)):
            act()
            until = scene.clock.at + length
            while scene.clock.at < until:
                scene.clock.at += 2 * MINUTE
                told += scene.look()
    assert Counter(told) == Counter({(what, rule.name): 1 for rule in RULES for what in ("begun", "over")})


def test_alerts_say_what_was_found_and_what_is_allowed(scene: Scene) -> None:
    scene.room(18.0)
    scene.free_mb = 50.0
    scene.plan(Rung.RELEASE)
    scene.clock.at += MINUTE
    scene.rules.look()
    own: Mapping[str, Alert] = {alert.place: alert for alert in scene.alerts.own}
    assert own["heating/kitchen"].text == "18.0 °C, 2.0 K below the band; 1 K is allowed"
    assert own["disk"].text == "50 MB are free; 500 MB are needed"
    assert own["disk"].severity is Severity.CRITICAL
    assert own["plan"].text == "plans come from release: no prices"
    assert own["plan"].severity is Severity.CRITICAL


def test_what_people_know_is_known_after_a_restart(tmp_path: Path) -> None:
    clock: Clock = Hands()
    alert = Alert(Severity.CRITICAL, "inverter", "silent", START, "device_lost")
    with Store(tmp_path, clock) as store:
        alerts = HouseAlerts(clock, store)
        alerts.news([alert])
        assert alerts.acknowledge("inverter", None, "ann", 24.0) == [alert]
    with Store(tmp_path, clock) as store:
        again = HouseAlerts(clock, store)
        again.news([replace(alert, text="still silent")])
        assert [known.by for known in again.judge.acknowledged.values()] == ["ann"]
