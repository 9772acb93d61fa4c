"""One question to the simulated house: this strategy, on these days, beside its baselines and the bound."""

import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from pems_core.cycle import measure
from pems_core.domain import HOUR, QUARTER, BadSeries, ConfigError, HeatingSpec
from pems_core.planning.planner import Planner
from pems_core.protocols import Forecaster, RuleBased, Strategy
from pems_core.reporting.result import Report, RunResult
from pems_core.site import HouseFile

from .asked import AskedOutlook
from .billing import Billing
from .bound import Bound, perfect_foresight
from .house import SimulatedHouse
from .loop import Controller, PlanningController, Progress, RuleController, run_closed_loop
from .outlook import ForecastQuality, Foresight, Outlook
from .scenario import Scenario, minutes
from .valuation import Valuation
from .written import WrittenRun

BASELINES = ("thermostat_only", "self_use", "rules")
PATIENCE_S = 120.0
"""For one plan: in a simulation nobody waits, and a busy machine shall not change what is simulated."""
PACKAGES = ("pems", "pyomo", "highspy", "numpy", "pandas")


@dataclass(frozen=True)
class Experiment:
    """What is simulated.

    :param strategy: name of a strategy or of a rule-based one; None: what the house file says.
    :param thermal_error: factors by which the true rooms differ from the house file; see `with_thermal_error`.
    """

    house: HouseFile
    scenario: Scenario
    start: datetime
    days: float
    forecast: ForecastQuality = ForecastQuality.REALISTIC
    strategy: str | None = None
    every: timedelta = QUARTER
    baselines: Sequence[str] = BASELINES
    with_bound: bool = True
    seed: int = 1
    soc: float = 0.5
    thermal_error: Mapping[str, float] = field(default_factory=dict)
    command: str = ""
    forecasters: Sequence[Forecaster] = ()
    """Asked if the forecast is `learned`, with their models."""
    ledger: Path | None = None
    """Where the run of the strategy, not of its baselines, is written down as a house that runs would be."""
    identified: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By device of `house` that has other numbers than its file: these numbers."""

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=self.days)

    def run(self, progress: Progress | None = None) -> Report:
        """Run the strategy and each baseline from the same start, and compute the bound.

        :raises BadSeries: if the scenario does not cover the days.
        :raises ConfigError: if a strategy is unknown.
        """
        self.check()
        valuation = Valuation.at(self.end, self.house.house, self.scenario)
        names = [self._name, *self.baselines]
        results = [self._run(name, valuation, progress) for name in dict.fromkeys(names)]
        bound = self.bound(valuation) if self.with_bound else None
        return self._report(results, bound)

    def bound(self, valuation: Valuation) -> Bound:
        """The perfect-foresight optimum of the bill, from the same start."""
        simulated = self._simulated()
        house = replace(self.house.house, strategy=self.house.strategies["lowest_bill"])
        state = measure(house.devices, simulated.readings())
        return perfect_foresight(house, state, self.scenario, self.end, valuation)

    def _simulated(self) -> SimulatedHouse:
        return SimulatedHouse(
            self.house.equipment,
            self.house.house.grid,
            self.scenario,
            self.start,
            seed=self.seed,
            thermal_error=self.thermal_error,
            soc=self.soc,
            # Prices that change within a quarter hour would else meet flows that are its means.
            interval=min(QUARTER, self.scenario.step),
        )

    def _billing(self) -> Billing:
        return Billing(self.house.site.zone, self.house.tariff.capacity_charge_per_kw)

    def _run(self, name: str, valuation: Valuation, progress: Progress | None) -> RunResult:
        outlook = self._outlook()
        house = self.house.house
        found = self._strategy(name)
        options = self.house.options
        patient = replace(options.limits, time_limit_s=max(PATIENCE_S, options.limits.time_limit_s))
        options = replace(options, limits=patient)
        controller: Controller
        with ExitStack() as stack:
            witness = None
            if self.ledger is not None and name == self._name:
                written = WrittenRun(self.ledger, self.house, options, name, self.scenario, self.start, self.identified)
                witness = stack.enter_context(written)
            if isinstance(found, RuleBased):
                controller = RuleController(found, house, outlook, witness)
            else:
                house = replace(house, strategy=found)
                planner = Planner(house, options)
                stack.callback(planner.close)
                controller = PlanningController(planner, outlook, self.every, witness)
            return run_closed_loop(
                name, controller, house, self._simulated(), self.end, valuation, self._billing(), progress, witness
            )

    def _outlook(self) -> Foresight:
        if self.forecast is not ForecastQuality.LEARNED:
            return Outlook(self.scenario, self.forecast, seed=self.seed)
        told = Outlook(self.scenario, ForecastQuality.REALISTIC, seed=self.seed)
        return AskedOutlook(self.scenario, self.forecasters, self.house.tariff, told)

    def _strategy(self, name: str) -> Strategy | RuleBased:
        if name == self.house.house.strategy.name:
            return self.house.house.strategy
        known: dict[str, Strategy | RuleBased] = {**self.house.strategies, **self.house.rule_based}
        if name not in known:
            raise ConfigError([f"strategy: found {name!r}; allowed: {', '.join(sorted(known))}"])
        return known[name]

    @property
    def _name(self) -> str:
        return self.strategy or self.house.house.strategy.name

    def check(self) -> None:
        """Find out before anything is computed whether it can be.

        :raises BadSeries: if the scenario does not cover the days.
        :raises ConfigError: if the strategy is unknown.
        """
        scenario, allowed = self.scenario, f"{self.scenario.start.isoformat()} to {self.scenario.end.isoformat()}"
        faults = [
            f"{scenario.name}: the simulation {what} at {at.isoformat()}; {allowed} is allowed"
            for what, at in (("starts", self.start), ("ends", self.end))
            if not scenario.start <= at <= scenario.end
        ]
        # The house runs in quarter hours; the report shows whole intervals of the scenario.
        step = max(QUARTER, scenario.step)
        faults += [
            f"the simulation {what} at {at.isoformat()}; steps of {minutes(step):g} min from "
            f"{scenario.start.isoformat()} are allowed"
            for what, at in (("starts", self.start), ("ends", self.end))
            if (at - scenario.start) % step
        ]
        if self.days <= 0:
            faults.append(f"days is {self.days:g}; more than 0 is allowed")
        if faults:
            raise BadSeries(faults)
        self._strategy(self._name)

    def _report(self, results: Sequence[RunResult], bound: Bound | None) -> Report:
        site, house = self.house.site, self.house.house
        columns = ["import_price_per_kwh", "feed_in_price_per_kwh", "outdoor_temperature_c"]
        times = pd.DatetimeIndex(results[0].flows.index)
        return Report(
            title=f"{site.name}: {results[0].name}, {self.days:g} days",
            currency=site.currency,
            timezone=site.timezone,
            scenario_name=self.scenario.name,
            provenance=self.scenario.provenance,
            start=self.start,
            end=self.end,
            command=self.command,
            versions={name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
            results=results,
            prices=self.scenario.between(self.start, self.end).frame[columns],
            bound=bound.net_cost if bound else None,
            bands=_bands(self.house, times),
            notes=self._notes(bound),
            import_limit_kw=house.grid.import_limit_kw,
            export_limit_kw=house.grid.export_limit_kw,
        )

    def _notes(self, bound: Bound | None) -> list[str]:
        notes = [
            f"Forecasts are {self.forecast}; plans every {self.every / HOUR * 60:g} minutes.",
            (
                "Stored energy and heat at the end are worth what putting them back would cost in the cheap hours "
                "of the last day, alike in every run."
            ),
        ]
        if self.identified:
            notes.append(
                f"The house is simulated and planned with identified numbers of {', '.join(sorted(self.identified))}."
            )
        if self.thermal_error:
            notes.append("The simulated rooms differ from the parameters that the plans are made with.")
        has_pv = any(getattr(spec, "pv_share", 0.0) > 0 for spec in self.house.equipment.values())
        if not has_pv and (self.scenario.between(self.start, self.end).frame["pv_kw"] > 0).any():
            notes.append("The house has no PV: the scenario's pv_kw is not used.")
        if bound is not None:
            notes.append(
                "The bound solves all days at once with everything known, relays and modes free to be shares; "
                f"its bill is {bound.bill:.2f}, wear {bound.wear:.2f}, stored {bound.stored_value:.2f}."
            )
        return notes


def _bands(house: HouseFile, times: pd.DatetimeIndex) -> dict[str, pd.DataFrame]:
    rooms = [room for spec in house.equipment.values() if isinstance(spec, HeatingSpec) for room in spec.rooms]
    return {
        room.name: pd.DataFrame(
            [(band.low_c, band.high_c, band.setpoint_c) for band in (room.comfort.at(t) for t in times)],
            index=times,
            columns=["low_c", "high_c", "setpoint_c"],
        )
        for room in rooms
    }
