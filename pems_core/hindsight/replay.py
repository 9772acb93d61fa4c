"""The same plan again, from what was known then."""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from pems_core.config import ENVIRONMENT, ConfigError, load_config
from pems_core.domain import PemsError, Plan, Rung
from pems_core.domain.plan_json import plan_to_json
from pems_core.learning.equipping import equip
from pems_core.planning.explain import explain
from pems_core.planning.planner import Planner, PlanOptions
from pems_core.planning.site import PlannedHouse
from pems_core.plugins import declared_sections, load_plugins
from pems_core.protocols import Strategy
from pems_core.recording.ledger.coding import back
from pems_core.recording.ledger.ledger import Cycle
from pems_core.runtime.house_record import fingerprint, versions
from pems_core.site import HouseFile, read_house

PATIENCE_S = 120.0
"""For a plan whose search came to its own end: how long that took then does not matter."""
NOT_COMPARED = ("solve_s", "detail")
"""Wall time, and words that may tell it."""


@dataclass(frozen=True)
class Replayed:
    """What became of planning a cycle again."""

    number: int
    plan: Plan
    differences: Sequence[str]
    """Where the plans differ; none: they are the same to the last bit."""
    note: str
    """Why the same plan cannot be promised; empty if it can."""
    seconds: float

    @property
    def same(self) -> bool:
        return not self.differences


def house_of(cycle: Cycle, given: HouseFile | None = None) -> HouseFile:
    """The house as it was when the cycle ran: the one that is given if nothing has changed, else the recorded one.

    :raises ConfigError: if the recorded one cannot be read here, such as for want of a secret.
    """
    options = options_of(cycle)
    if given is not None and fingerprint(given, options, cycle.house.get("strategy", "")) == cycle.fingerprint:
        return given
    files: Sequence[Sequence[str]] = cycle.house.get("files", ())
    if not files:
        if given is not None:
            return given
        raise ConfigError([f"cycle {cycle.number}: its house file was not recorded; --house FILE is needed"])
    plugins = load_plugins()
    with TemporaryDirectory() as folder:
        for name, text in files:
            (Path(folder) / name).write_text(text, encoding="utf-8")
        first = Path(folder) / files[0][0]
        overlay = files[1][0].split(".")[-2] if len(files) > 1 else ""
        config = load_config(first, declared_sections(plugins), {**os.environ, ENVIRONMENT: overlay})
    house = read_house(config, plugins)
    equip(house.house.devices, cycle.house.get("identified", {}))
    return house


def options_of(cycle: Cycle) -> PlanOptions:
    """With which the plan was made."""
    return back(PlanOptions, cycle.house["options"])


def planned_house(cycle: Cycle, house: HouseFile) -> PlannedHouse:
    """The house with the strategy that the cycle followed."""
    name = cycle.house.get("strategy", "")
    if name == house.house.strategy.name:
        return house.house
    if name in house.rule_based:
        raise PemsError(f"cycle {cycle.number} followed the rules {name!r}, which make no plan")
    strategy: Strategy | None = house.strategies.get(name)
    if strategy is None:
        raise PemsError(f"cycle {cycle.number} followed the strategy {name!r}, which is not there any more")
    return replace(house.house, strategy=strategy)


def replay(cycle: Cycle, house: HouseFile, guarded: bool = True) -> Replayed:
    """Plan a cycle again, and hold the plan against the one that was made then.

    A search that its time limit ended found what the machine had time for: it is repeated with the same limit, and
    may find something else. All other plans come out the same, to the last bit.

    :param house: as `house_of` gives it.
    :param guarded: whether the solver runs in a process of its own.
    """
    then, began = options_of(cycle), perf_counter()
    options = then.unproven
    if cycle.plan.rung is not Rung.INCUMBENT:
        limit_s = max(PATIENCE_S, options.limits.time_limit_s)
        options = replace(options, limits=replace(options.limits, time_limit_s=limit_s))
    planner = Planner(planned_house(cycle, house), options, guarded=guarded)
    planner.last = cycle.running
    with closing(planner):
        plan = planner.plan(cycle.state, cycle.forecasts)
    if cycle.plan.reasons:
        site = house.site
        plan = explain(plan, house.house.devices, cycle.state, cycle.forecasts, site.timezone, site.currency)
    # How close a bound was found depends on the speed of the machine; it changes no plan.
    proven = () if then.limits.prove_above is None else ("bound",)
    found = differences(plan_to_json(cycle.plan), plan_to_json(plan), proven)
    return Replayed(cycle.number, plan, found, _note(cycle), perf_counter() - began)


def differences(was: Mapping[str, Any], now: Mapping[str, Any], leave_out: Sequence[str] = ()) -> list[str]:
    """Where two plans differ, as `place: then, now`."""
    found: list[str] = []
    for key in was.keys() | now.keys():
        if key not in {*NOT_COMPARED, *leave_out}:
            found += _differences(key, was.get(key), now.get(key))
    return sorted(found)


def _differences(place: str, was: Any, now: Any) -> list[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        return [
            d for key in was.keys() | now.keys() for d in _differences(f"{place}.{key}", was.get(key), now.get(key))
        ]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [d for i, (a, b) in enumerate(zip(was, now, strict=True)) for d in _differences(f"{place}[{i}]", a, b)]
    return [] if was == now else [f"{place}: then {was!r}, now {now!r}"]


def _note(cycle: Cycle) -> str:
    notes = []
    if cycle.plan.rung is Rung.INCUMBENT:
        notes.append("its search was ended by the time limit, so what was found depends on the speed of the machine")
    elif cycle.plan.rung is not Rung.SOLVER and cycle.plan.detail:
        notes.append(f"better rungs had failed then ({cycle.plan.detail}), which may have been for want of time")
    now = versions()
    changed = [f"{name} {was} is {now.get(name, 'gone')} now" for name, was in cycle.house.get("versions", {}).items()
               if now.get(name) != was]  # fmt: skip
    return "; ".join([*notes, *changed])
