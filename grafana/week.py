"""A simulated week of the reference house, made into points as a house that runs makes them.

The house is the closed loop's, each cycle is the real one, and the points come from the real metrics. Plans are made
every two hours on a coarse grid, so that a week takes less than a minute.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import gettempdir
from zlib import crc32

import pandas as pd

from pems_core.alerting.judge import Judge
from pems_core.alerting.measured import comfort_fault
from pems_core.commands.inputs import example_house, house_from
from pems_core.cycle import Site, decisions_at, measure, run_cycle
from pems_core.domain import (
    HOUR,
    QUARTER,
    Alert,
    Command,
    CycleReport,
    HeatingState,
    History,
    Override,
    Reading,
    Readings,
    Receipt,
    Rung,
    Severity,
    SiteState,
    Stage,
    Value,
)
from pems_core.planning.planner import Planner
from pems_core.recording.metrics import Household, Metrics, Moment
from pems_core.recording.metrics.events import alert_points
from pems_core.recording.metrics.money import PRICES, Saved, metered, money_points
from pems_core.recording.metrics.system import SystemGauge
from pems_core.recording.points import Point
from pems_core.simulation.bound import perfect_foresight
from pems_core.simulation.experiment import Experiment
from pems_core.simulation.generate import generated_days
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.live_trial import generated_outlook
from pems_core.simulation.loop import PlanningController, wear_of
from pems_core.simulation.outlook import Outlook
from pems_core.simulation.valuation import Valuation
from pems_core.site import HouseFile

MONDAY = date(2025, 3, 17)
START = datetime(2025, 3, 16, 23, tzinfo=UTC)
"""Midnight in the house, on a Monday at the end of the heating season: there is sun, and rooms are heated."""
DAYS = 7
END = START + timedelta(days=DAYS)
SUNDAY = END - timedelta(days=1)
"""Midnight before the day of which it is found out how far it was from the best possible: nobody meddles with it."""
MONTH = datetime(2025, 2, 28, 23, tzinfo=UTC)
"""Midnight at the begin of its month."""
EVERY = timedelta(hours=2)
BASELINES = ("thermostat_only", "self_use")
SEED = 1
GUESTS = Override(
    "heating",
    "living_room_setpoint_c",
    23.0,
    START + timedelta(days=3, hours=17),
    START + timedelta(days=3, hours=21),
    "ann",
    "guests",
)
LOST = (START + timedelta(days=5, hours=10), START + timedelta(days=5, hours=10, minutes=45))
"""From when until when the inverter does not answer."""
COMFORT_K = 0.3
"""This household wants to hear of a room that is so far outside its band."""
AS_MEASURED = ("pv_kw", "base_load_kw", "outdoor_temperature_c", "ghi_w_m2")


@dataclass
class Week:
    """Lives through the week and gathers its points."""

    built: HouseFile = field(default_factory=lambda: house_from(example_house()))
    points: list[Point] = field(default_factory=list)
    _told: dict[str, Mapping[str, Value]] = field(default_factory=dict)
    _commands: int = 0
    _on_sunday: SimulatedHouse | None = None
    """The house as it stood when Sunday began."""

    def __post_init__(self) -> None:
        built = self.built
        self.scenario = generated_days(MONDAY, DAYS, seed=SEED)
        self.house = SimulatedHouse(built.equipment, built.house.grid, self.scenario, START, seed=SEED)
        near = timedelta(hours=2)
        options = replace(
            built.options,
            length=timedelta(hours=36),
            near=near,
            near_step=QUARTER,
            far_step=HOUR,
            binary=near,
        )
        self._planner = Planner(built.house, options)
        outlook = generated_outlook(self.scenario, SEED)
        self._site = Site(built.house.devices, [outlook], self._planner, built.site.timezone, built.site.currency)
        self.metrics = Metrics(Household(built.site.name, built.equipment))
        self._gauge = SystemGauge(Path(gettempdir()))
        self._judge = Judge()

    @property
    def rooms(self) -> list[str]:
        return [room.name for spec in self.metrics.household.heatings.values() for room in spec.rooms]

    def live(self) -> "Week":
        """All seven days, quarter hour by quarter hour."""
        before: datetime | None = None
        state: SiteState | None = None
        report: CycleReport | None = None
        while self.house.now < END:
            if self.house.now == SUNDAY:
                self._on_sunday = deepcopy(self.house)
            now, readings = self.house.now, self._readings()
            overrides = [GUESTS] if GUESTS.holds(now) else []
            state = measure(self._site.devices, readings, state, overrides)
            moment = Moment(self.metrics.household, readings, state, before, report)
            self.points += self.metrics.sample(moment)
            self.points += self._alerts(state)
            self.points += self._gauge.points(moment, (), self._judge.in_force)
            self.points += self._forecasts_held_against(now - QUARTER)
            if report is None or now - report.state.now >= EVERY:
                report = self._cycle(readings, report, overrides)
                self.points += self.metrics.cycle(report)
            report = self._command(report, state)
            before = now
            self.house.advance(now + QUARTER)
        self._planner.close()
        self.points += self._money()
        return self

    def _cycle(self, readings: Readings, before: CycleReport | None, overrides: Sequence[Override]) -> CycleReport:
        horizon = self._planner.options.horizon(readings.now)
        history = History(pd.DataFrame())
        state = before.state if before else None
        report = asyncio.run(run_cycle(self._site, readings, horizon, history, state, overrides))
        return replace(report, receipts=tuple(self._receipts(report)))

    def _readings(self) -> Readings:
        """What the instruments say, and what an inverter says besides."""
        readings = self.house.readings()
        powers = self.house.powers_kw
        now = readings.now
        more = {
            f"inverter/{flow}": Reading(powers[f"battery_terminal_{flow}"], "kW", now, now)
            for flow in ("charge_kw", "discharge_kw")
        }
        lost = LOST[0] <= now < LOST[1]
        points = dict(readings.points) | more
        heard = {name: r for name, r in points.items() if not (lost and name.startswith("inverter/"))}
        return Readings(now, {name: replace(r, measured_at=now - _age(name, now)) for name, r in heard.items()})

    def _alerts(self, state: SiteState) -> list[Point]:
        """What the rules say of the rooms and of devices that do not answer."""
        now = state.now
        found = [Alert(Severity.CRITICAL, name, text, now, "device_lost") for name, text in state.faults.items()]
        heating = state.devices.get("heating")
        for room in self.metrics.household.heatings["heating"].rooms:
            if isinstance(heating, HeatingState):
                band = room.comfort.at(now)
                text = comfort_fault(heating.rooms[room.name].temperature_c, band, COMFORT_K, already=False)
                found += [Alert(Severity.WARNING, f"heating/{room.name}", text, now, "comfort")] if text else []
        news = self._judge.look(found, now)
        return list(alert_points(self.built.site.name, now, news.begun, news.over))

    def _command(self, report: CycleReport, state: SiteState) -> CycleReport:
        """Tell the devices what holds now; the report, with what they are told."""
        now = self.house.now
        decisions = decisions_at(report.plan, self._site.devices, state, now)
        by_hand = {(o.device, o.control): o.value for o in state.overrides}
        told = [
            replace(d, value=by_hand.get((d.device, d.control), d.value), valid_until=now + EVERY) for d in decisions
        ]
        self.house.apply(told)
        for device in self._site.devices:
            self._told[device.name] = {d.control: d.value for d in told if d.device == device.name}
        reasons = {(d.device, d.control): d.reason for d in report.decisions}
        said = [replace(d, reason=reasons.get((d.device, d.control), d.reason)) for d in decisions]
        return replace(report, decisions=said)

    def _receipts(self, report: CycleReport) -> Iterator[Receipt]:
        """What became of the commands of this plan, as an answering house would have it: one in forty is not taken."""
        now, plan = report.state.now, report.plan
        for device in self._site.devices:
            settings = {d.control: d.value for d in report.decisions if d.device == device.name and d.holds(now)}
            if not settings or settings == self._told.get(device.name) or plan.rung is Rung.RELEASE:
                continue
            for command in device.encode(settings, now, now + EVERY, report.state):
                yield from self._answered(command, now)

    def _answered(self, command: Command, now: datetime) -> Iterator[Receipt]:
        self._commands += 1
        chance = crc32(f"{command.control}{self._commands}".encode()) % 1000 / 1000
        taken = Stage.NO_EFFECT if self._commands % 40 == 0 else Stage.READBACK_OK
        answered = now + timedelta(seconds=0.4 + 3.0 * chance**3)
        yield Receipt(command, Stage.QUEUED, now)
        yield Receipt(command, taken, answered)
        if taken is Stage.READBACK_OK and command.device == "inverter":
            yield Receipt(command, Stage.EFFECT_OK, answered + timedelta(minutes=2))

    def _forecasts_held_against(self, quarter: datetime) -> list[Point]:
        row = self.scenario.frame.index.get_loc(pd.Timestamp(quarter))
        assert isinstance(row, int)
        measured = {name: float(self.scenario.frame[name].to_numpy()[row]) for name in AS_MEASURED}
        return self.metrics.quarter(quarter, measured)

    def _money(self) -> Iterator[Point]:
        """Bills of the week and of the baselines, each of which lives through the same week."""
        prices = self.scenario.between(START, END).frame[list(PRICES)]
        own = self.house.flows().join(prices)
        others = {name: self._baseline(name) for name in BASELINES}
        model, forecast = self._regret(own[SUNDAY:])
        zone = self.built.site.zone
        for k in range(DAYS):
            end = (k + 1) * 96
            day = START + timedelta(days=k)
            for period, start, begin in (("day", day, k * 96), ("week", START, 0), ("month", MONTH, 0)):
                bill = metered(period, start, own.iloc[begin:end], zone).bill
                bills = {name: float(flows["cost"].iloc[begin:end].sum()) for name, flows in others.items()}
                saved = {name: Saved(other, other - bill) for name, other in bills.items()}
                money = metered(period, start, own.iloc[begin:end], zone, saved)
                if end == len(own):
                    money = replace(
                        money,
                        regret=model + forecast,
                        regret_model=model,
                        regret_forecast=forecast,
                        regret_execution=0.0,
                        regret_override=0.0,
                    )
                yield from money_points(self.built.site.name, money)

    def _regret(self, flows: pd.DataFrame) -> tuple[float, float]:
        """By how much Sunday was dearer than the best possible: with the future known, and because it was not.

        The simulated house did what it was told, and nobody told it anything else.
        """
        assert self._on_sunday is not None
        house, stored = self.built.house, self._on_sunday.stored_energy()
        valuation = Valuation.at(END, house, self.scenario)
        bill = metered("day", SUNDAY, flows, self.built.site.zone).bill
        net = bill + wear_of(house, flows) - valuation.change(stored, self.house.stored_energy())
        cheapest = replace(house, strategy=self.built.strategies["lowest_bill"])
        state = measure(house.devices, self._on_sunday.readings())
        bound = perfect_foresight(cheapest, state, self.scenario, END, valuation)
        planner = Planner(house, self._planner.options)
        lived = self._knowing(self._on_sunday, PlanningController(planner, Outlook(self.scenario, "perfect"), EVERY))
        planner.close()
        knowing = float(lived["cost"].sum()) + wear_of(house, lived)
        knowing -= valuation.change(stored, self._on_sunday.stored_energy())
        return knowing - bound.net_cost, net - knowing

    def _knowing(self, house: SimulatedHouse, controller: PlanningController) -> pd.DataFrame:
        """What flows on Sunday in a house whose plans know what comes."""
        state: SiteState | None = None
        while house.now < END:
            state = measure(self.built.house.devices, house.readings(), state)
            decided = controller.decide(state)
            house.apply([replace(d, valid_until=max(d.valid_until, house.now + QUARTER)) for d in decided])
            house.advance(house.now + QUARTER)
        return house.flows()[SUNDAY:]

    def _baseline(self, name: str) -> pd.DataFrame:
        alone = Experiment(
            self.built, self.scenario, START, DAYS, strategy=name, baselines=(), with_bound=False, seed=SEED
        )
        return alone.run().results[0].flows


def _age(point: str, now: datetime) -> timedelta:
    """Instruments are asked one after the other: what is read is some seconds old."""
    return timedelta(seconds=2 + crc32(f"{point}{now}".encode()) % 28)
