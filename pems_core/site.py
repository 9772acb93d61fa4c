"""From a house file to everything a cycle works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pluggy

from .config import (
    Config,
    ConfigError,
    GridSection,
    PvSection,
    SiteSection,
    SolverSection,
    StrategySection,
    TariffSection,
    did_you_mean,
)
from .devices import PvPlant
from .domain import Equipment, Forecasts, PvSpec, SiteState
from .forecasting.hygiene import House as Measured
from .planning.model import DispatchModel
from .planning.planner import PlanOptions
from .planning.site import PlannedHouse
from .planning.solve import SolveLimits
from .plugins import create_devices, create_strategies, stage_faults
from .protocols import Device, RuleBased, Strategy
from .tariff import Tariff

FALLBACK_RULES = "rules"
AC_PV = "pv"


@dataclass(frozen=True)
class HouseFile:
    """What a house file says, in the terms of the core."""

    config: Config
    house: PlannedHouse
    options: PlanOptions
    tariff: Tariff
    rule_based: dict[str, RuleBased]
    strategies: dict[str, Strategy]

    @property
    def site(self) -> SiteSection:
        return self.config[SiteSection]

    @property
    def eur_rate(self) -> float:
        """Units of the site's currency per EUR."""
        return self.config[TariffSection].eur_rate

    @property
    def measures(self) -> Measured:
        """What bounds its measurements.

        Its place is left out: PEMS labels what it measures by its own clock, and whoever gave the roof a wrong azimuth
        shall not lose his history.
        """
        grid = self.config[GridSection]
        arrays = tuple(section.array() for section in self.config.all(PvSection))
        most_kw = 1.5 * grid.import_limit_kw
        highest_kw = {"base_load_kw": most_kw, "grid_import_kw": most_kw}
        return Measured(self.site.timezone, arrays=arrays, highest_kw=highest_kw)

    @property
    def equipment(self) -> dict[str, Equipment]:
        return {device.name: device.equipment for device in self.house.devices}


@dataclass(frozen=True)
class WeightedStrategies:
    """Several aims at once, each by its share of all weights: each aim has the bill in it, which so counts once."""

    name: str
    parts: Sequence[tuple[Strategy, float]]

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        total = sum(weight for _, weight in self.parts)
        for strategy, weight in self.parts:
            with model.weighted(weight / total):
                strategy.add_to_model(model, state, forecasts)


def read_house(config: Config, manager: pluggy.PluginManager) -> HouseFile:
    """Build the house from its validated sections.

    :raises ConfigError: if a strategy is unknown, or PV hangs on a device that is not there; all faults together.
    """
    devices = list(create_devices(manager, config))
    faults = [*_pv_faults(config, devices), *stage_faults(config, [device.name for device in devices])]
    ac_share = _ac_pv_share(config, devices)
    if ac_share:
        devices.append(PvPlant(AC_PV, PvSpec(ac_share)))
    given = create_strategies(manager, config)
    rule_based = {s.name: s for s in given if isinstance(s, RuleBased)}
    strategies = {s.name: s for s in given if isinstance(s, Strategy)}
    wanted = config[StrategySection].mix
    faults += [
        f"strategy: found {name!r}; allowed: {', '.join(sorted(strategies))}{did_you_mean(name, strategies)}"
        for name in wanted
        if name not in strategies
    ]
    if FALLBACK_RULES not in rule_based:
        faults.append(f"no plugin gives the rule-based strategy {FALLBACK_RULES!r}, which every house falls back on")
    if faults:
        raise ConfigError(faults)
    site = config[SiteSection]
    return HouseFile(
        config=config,
        house=PlannedHouse(
            grid=config[GridSection].spec(),
            devices=tuple(devices),
            strategy=_strategy(strategies, dict(wanted)),
            rules=rule_based[FALLBACK_RULES],
        ),
        options=plan_options(config[SolverSection]),
        tariff=config[TariffSection].tariff(site.timezone),
        rule_based=rule_based,
        strategies=strategies,
    )


def _strategy(strategies: dict[str, Strategy], wanted: dict[str, float]) -> Strategy:
    if wanted == dict.fromkeys(wanted, 1.0) and len(wanted) == 1:
        return strategies[next(iter(wanted))]
    parts = tuple((strategies[name], weight) for name, weight in sorted(wanted.items()))
    return WeightedStrategies("+".join(sorted(wanted)), parts)


CBC_TIME_LIMIT_S = 30.0
"""CBC takes several times as long as HiGHS, for which the default limit is meant."""


def plan_options(solver: SolverSection) -> PlanOptions:
    stated = "time_limit_s" in solver.model_fields_set
    time_limit_s = CBC_TIME_LIMIT_S if solver.name == "cbc" and not stated else solver.time_limit_s
    return PlanOptions(
        solver=solver.name,
        limits=SolveLimits(time_limit_s, solver.gap, solver.keep_running_plan, solver.prove_above),
        path=solver.path,
        length=timedelta(hours=solver.horizon_hours),
        near=timedelta(hours=solver.near_hours),
        near_step=timedelta(minutes=solver.near_step_minutes),
        far_step=timedelta(minutes=solver.far_step_minutes),
        binary=timedelta(hours=solver.binary_hours),
    )


def _ac_pv_share(config: Config, devices: Sequence[Device]) -> float:
    """Share of the peak power that no hybrid inverter of the house claims."""
    arrays = config.all(PvSection)
    total_kw = sum(array.peak_kw for array in arrays)
    claimed = sum(getattr(device.equipment, "pv_share", 0.0) for device in devices)
    return max(0.0, round(1.0 - claimed, 9)) if total_kw else 0.0


def _pv_faults(config: Config, devices: Sequence[Device]) -> list[str]:
    """Arrays that name a hybrid inverter which is not there; without any, the default means one of their own."""
    own = '"" for an inverter of its own'
    names = [device.name for device in devices if hasattr(device.equipment, "pv_share")]
    return [
        f"pv[{i}].dc_of: found {array.dc_of!r}; allowed: {', '.join([*names, own])}"
        for i, array in enumerate(config.all(PvSection), start=1)
        if array.dc_of and array.dc_of not in names and "dc_of" in array.model_fields_set
    ]
