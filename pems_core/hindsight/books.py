"""The books of a day: what it cost, what other ways of running the house would have cost, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import sqrt
from typing import Any

from pems_core.domain import HOUR, QUARTER
from pems_core.learning.equipping import equipped
from pems_core.recording.ledger.coding import back, plain
from pems_core.recording.ledger.ledger import Ledger
from pems_core.reporting.books import Books
from pems_core.reporting.books import books as added_up
from pems_core.reporting.course import Course
from pems_core.reporting.result import RunResult
from pems_core.simulation.experiment import BASELINES
from pems_core.simulation.loop import wear_of
from pems_core.simulation.outlook import Outlook
from pems_core.simulation.valuation import Valuation
from pems_core.site import HouseFile

from .recorded_day import RecordedDay, local_day, recorded_day
from .twins import RecordedOutlook, Twins

STEP_H = QUARTER / HOUR
TOLD = "self_use"
"""The baseline by which savings are told where there is room for one: what the house would do by itself."""
SOURCES = ("grid_import_kw", "pv_kw", "battery_discharge_kw")
SINKS = ("grid_export_kw", "battery_charge_kw", "base_load_kw", "heating_kw", "flexible_load_kw")


@dataclass(frozen=True, slots=True)
class Costs:
    """What a day cost [currency]."""

    bill: float
    """Import less feed-in at their prices."""
    wear: float
    """Of the battery."""
    stored_value: float
    """Worth of what was stored more at the end than at the start."""

    @property
    def net(self) -> float:
        return self.bill + self.wear - self.stored_value


@dataclass(frozen=True, slots=True)
class Regret:
    """How much more a day cost than the best possible course, by cause [currency]; the parts add up to the whole."""

    model: float
    """Even with the future known: whole switches, steps and physics that the plan's model has not."""
    forecast: float
    """Because the future was not known, and plans were not always made anew."""
    override: float
    """Because people wanted something else."""
    execution: float
    """Because the devices did something else than they were told, or the simulated house is not the real one."""

    @property
    def total(self) -> float:
        return self.model + self.forecast + self.override + self.execution


@dataclass(frozen=True)
class DayBooks:
    """One local day, or what has passed of it."""

    day: date
    until: datetime
    complete: bool
    known: float
    """Share of the time that was measured."""
    actual: Costs
    baselines: Mapping[str, Costs]
    deviation: float | None
    """How much more the simulated house costs than the real one when it is told the same [currency].

    None if nothing was decided. Twins of baselines may be as wrong: its size is the standard error of each saving.
    """
    energy: Books
    balance_error: float
    """What of the energy does not add up, as a share of it."""
    export_revenue: float
    arbitrage: float
    """What the battery earned: the bill without it less the bill with it, less wear, with what it stored."""
    heating_shift: float | None
    """What heating at other times than thermostats saved, at import prices; None without that baseline."""
    expected_bill: float | None
    """What the plans in force expected for the same time, each for as long as it was followed."""
    regret: Regret | None = None

    def saved(self, baseline: str = TOLD) -> float:
        """How much lower the net cost was than a baseline's [currency]."""
        return self.baselines[baseline].net - self.actual.net

    @property
    def error(self) -> float | None:
        """Standard error of each saving [currency]."""
        return None if self.deviation is None else abs(self.deviation)

    def data(self) -> Mapping[str, Any]:
        """For the ledger."""
        found: Mapping[str, Any] = plain(self)
        return found


def from_data(data: Mapping[str, Any]) -> DayBooks:
    return back(DayBooks, data)


@dataclass(frozen=True)
class Bookkeeper:
    """Works out the books of days.

    :param baselines: names of rule-based strategies.
    """

    ledger: Ledger
    house: HouseFile
    baselines: Sequence[str] = field(default=BASELINES)

    def books(self, day: date, until: datetime | None = None, with_regret: bool = False) -> DayBooks:
        """The books of a day.

        :param until: no further than this.
        :param with_regret: also solve for the best possible course, and plan the day again: takes minutes.
        :raises NotRecorded: if too little of it was measured.
        """
        with equipped(self.house.house.devices, self._identified(day)):
            return self._books(day, until, with_regret)

    def _books(self, day: date, until: datetime | None, with_regret: bool) -> DayBooks:
        recorded = recorded_day(self.ledger, self.house, day, until)
        twins = Twins(self.ledger, self.house, recorded)
        valuation = twins.valuation
        actual = self._actual(recorded, twins, valuation)
        runs = {name: twins.baseline(name, valuation) for name in self.baselines}
        told = twins.as_decided(valuation) if any(found for _, found in recorded.decided) else None
        return DayBooks(
            day=day,
            until=recorded.end,
            complete=recorded.complete,
            known=recorded.known,
            actual=actual,
            baselines={name: costs_of(run) for name, run in runs.items()},
            deviation=None if told is None else costs_of(told).net - actual.net,
            energy=added_up(Course.regular(recorded.flows)),
            balance_error=balance_error(recorded),
            export_revenue=revenue(recorded),
            arbitrage=arbitrage(recorded, actual, self._battery_stored(recorded, valuation)),
            heating_shift=heating_shift(recorded, runs.get("thermostat_only")),
            expected_bill=self._expected_bill(recorded),
            regret=self._regret(recorded, twins, valuation, actual, told) if with_regret and told is not None else None,
        )

    def bound(self, day: RecordedDay) -> float:
        """Net cost of the best possible course of a day, with everything known [currency]."""
        with equipped(self.house.house.devices, self._identified(day.day)):
            twins = Twins(self.ledger, self.house, day)
            return twins.bound(twins.valuation)

    def _identified(self, day: date) -> Mapping[str, Mapping[str, Any]]:
        """The numbers with which the house was last planned that day: its twins are as it was known to be."""
        entries = [entry for entry in self.ledger.cycles(*local_day(day, self.house)) if entry.whole]
        found: Mapping[str, Mapping[str, Any]] = (
            self.ledger.cycle(entries[-1].number).house.get("identified", {}) if entries else {}
        )
        return found

    def _actual(self, day: RecordedDay, twins: Twins, valuation: Valuation) -> Costs:
        return Costs(bill_of(day), wear_of(self.house.house, day.flows), twins.stored_value(valuation))

    def _battery_stored(self, day: RecordedDay, valuation: Valuation) -> float:
        """Worth of what the batteries stored more at the end [currency]."""
        kwh = 0.0
        for name, spec in self.house.equipment.items():
            capacity_kwh = getattr(getattr(spec, "battery", None), "capacity_kwh", 0.0)
            kwh += capacity_kwh * (day.after.get(f"{name}.soc", 0.0) - day.before.get(f"{name}.soc", 0.0))
        return kwh * valuation.battery_per_kwh

    def expected(self, day: RecordedDay) -> Sequence[float | None]:
        """What the plan in force expected of the bill of each quarter hour [currency]; None where none was kept."""
        entries = [entry for entry in self.ledger.cycles(day.start - HOUR, day.end) if entry.whole]
        found: list[float | None] = []
        at, plan = 0, None
        prices = day.flows[["import_price_per_kwh", "feed_in_price_per_kwh"]]
        for quarter, (import_price, feed_in_price) in zip(day.flows.index, prices.to_numpy(), strict=True):
            middle = quarter + QUARTER / 2
            number = next((entry.number for entry in reversed(entries) if entry.at <= middle), 0)
            if number and number != at:
                at, plan = number, self.ledger.cycle(number).plan
            if not number or plan is None or middle >= plan.horizon.end:
                found.append(None)
                continue
            t = plan.horizon.step_at(middle)
            bought, sold = plan.dispatch["grid.import_kw"][t], plan.dispatch["grid.export_kw"][t]
            found.append(float(bought * import_price - sold * feed_in_price) * STEP_H)
        return found

    def _expected_bill(self, day: RecordedDay) -> float | None:
        known = [amount for amount in self.expected(day) if amount is not None]
        return sum(known) if len(known) == len(day.flows) else None

    def _regret(self, day: RecordedDay, twins: Twins, valuation: Valuation, actual: Costs, told: RunResult) -> Regret:
        """The way from the best possible course to what happened, in steps each of which changes one thing."""
        options = self.house.options
        bound = twins.bound(valuation)
        knowing = costs_of(twins.planned(Outlook(day.scenario, "perfect"), options, valuation)).net
        as_told = costs_of(told).net
        unhindered = as_told
        if day.overrides:
            outlook = RecordedOutlook(self.ledger, day)
            unhindered = costs_of(twins.planned(outlook, options, valuation)).net
        return Regret(
            model=knowing - bound,
            forecast=unhindered - knowing,
            override=as_told - unhindered,
            execution=actual.net - as_told,
        )


def costs_of(run: RunResult) -> Costs:
    return Costs(run.bill, run.wear, run.stored_value)


def bill_of(day: RecordedDay) -> float:
    """Metered flows at the prices that were known when they flowed [currency]."""
    flows = day.flows
    bought = flows["grid_import_kw"] * flows["import_price_per_kwh"]
    return float((bought - flows["grid_export_kw"] * flows["feed_in_price_per_kwh"]).sum() * STEP_H)


def revenue(day: RecordedDay) -> float:
    return float((day.flows["grid_export_kw"] * day.flows["feed_in_price_per_kwh"]).sum() * STEP_H)


def arbitrage(day: RecordedDay, actual: Costs, stored: float) -> float:
    """The bill of the same PV and loads without the battery, less what it was, less wear, with what was stored."""
    flows = day.flows
    net_kw = (
        flows["grid_import_kw"] - flows["grid_export_kw"] - flows["battery_charge_kw"] + flows["battery_discharge_kw"]
    )
    bought, sold = net_kw.clip(lower=0.0), (-net_kw).clip(lower=0.0)
    without = (bought * flows["import_price_per_kwh"] - sold * flows["feed_in_price_per_kwh"]).sum() * STEP_H
    return float(without) - actual.bill - actual.wear + stored


def heating_shift(day: RecordedDay, thermostats: RunResult | None) -> float | None:
    """What thermostats would have paid for a kWh of heat more than was paid, times the heat that was used."""
    if thermostats is None:
        return None
    price = day.flows["import_price_per_kwh"].to_numpy()
    used_kwh = day.flows["heating_kw"].to_numpy() * STEP_H
    there_kwh = thermostats.flows["heating_kw"].to_numpy() * STEP_H
    if used_kwh.sum() < 0.01 or there_kwh.sum() < 0.01 or len(there_kwh) != len(price):
        return 0.0
    paid, there = (price * used_kwh).sum() / used_kwh.sum(), (price * there_kwh).sum() / there_kwh.sum()
    return float((there - paid) * used_kwh.sum())


def balance_error(day: RecordedDay) -> float:
    """What of the energy comes from nowhere or goes nowhere, as a share of what flowed."""
    given = day.flows[list(SOURCES)].to_numpy().sum()
    taken = day.flows[list(SINKS)].to_numpy().sum()
    return float(abs(given - taken) / given) if given > 0.0 else 0.0


def combined_error(days: Sequence[DayBooks]) -> float | None:
    """Standard error of the savings of some days [currency].

    Errors that are random cancel in part, those that are always alike add up: whichever is larger is told.
    """
    found = [books.deviation for books in days if books.deviation is not None]
    return max(sqrt(sum(deviation**2 for deviation in found)), abs(sum(found))) if found else None
