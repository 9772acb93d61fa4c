"""The reference house and its variants, and the days that they live through."""

import os
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pandas as pd

from pems_core.commands.inputs import house_from, local_midnight
from pems_core.config import PvSection
from pems_core.devices import HeatedRoomsDevice
from pems_core.domain import HeatingSpec, RoomSpec
from pems_core.protocols import Device
from pems_core.simulation.generate import generated_days
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.recorded_sets import VARIABLE, data_folder
from pems_core.simulation.recordings import WEEKS, recorded_house
from pems_core.simulation.scenario import Scenario
from pems_core.simulation.twins.rooms import with_thermal_error
from pems_core.site import HouseFile

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "pems.example.toml"
PERIODS: Mapping[str, date] = {**{name: week.start for name, week in WEEKS.items()}, "january": date(2023, 12, 31)}
"""January begins with the last day of December: a month's peak is not that of a house that was just begun."""
VARIANTS = ("reference", "no_rooms", "unplanned_heating", "heating_only", "no_feed_in")
LINK_KW_PER_K = 0.02
"""Between a room and its copy in a house with more rooms than the reference house."""


def recorded() -> bool:
    """Whether there are recordings; else every series is generated."""
    return bool(os.environ.get(VARIABLE))


def reference_house() -> HouseFile:
    return house_from(EXAMPLE)


def variant(name: str) -> HouseFile:
    """The reference house, or one that lacks something.

    `no_rooms` and `unplanned_heating` have no heated rooms (the latter has their heat in its base load), `heating_only`
    has neither PV nor battery, `no_feed_in` may not feed in.
    """
    built = reference_house()
    house = built.house
    if name in ("no_rooms", "unplanned_heating"):
        house = replace(house, devices=tuple(d for d in house.devices if not isinstance(d.equipment, HeatingSpec)))
    elif name == "heating_only":
        house = replace(house, devices=tuple(d for d in house.devices if isinstance(d.equipment, HeatingSpec)))
    elif name == "no_feed_in":
        house = replace(house, grid=replace(house.grid, export_limit_kw=0.0))
    elif name != "reference":
        raise ValueError(f"variant {name!r} is unknown; allowed: {', '.join(VARIANTS)}")
    return replace(built, house=house)


def rooms_of(built: HouseFile) -> tuple[RoomSpec, ...]:
    return tuple(r for spec in built.equipment.values() if isinstance(spec, HeatingSpec) for r in spec.rooms)


def with_heating(built: HouseFile, spec: HeatingSpec) -> HouseFile:
    """The house with other rooms behind its heating device."""
    devices = tuple(_reheated(d, spec) if isinstance(d, HeatedRoomsDevice) else d for d in built.house.devices)
    return replace(built, house=replace(built.house, devices=devices))


def with_wrong_parameters(built: HouseFile, factors: Mapping[str, float]) -> HouseFile:
    """The house as a planner sees it whose thermal parameters are wrong by these factors."""
    for spec in built.equipment.values():
        if isinstance(spec, HeatingSpec):
            built = with_heating(built, with_thermal_error(spec, factors))
    return built


def with_rooms(built: HouseFile, count: int) -> HouseFile:
    """The house with its first `count` rooms, or with copies of them; the connection grows alike."""
    spec = next(spec for spec in built.equipment.values() if isinstance(spec, HeatingSpec))
    rooms = grown(spec.rooms, count)
    grid = replace(
        built.house.grid, import_limit_kw=built.house.grid.import_limit_kw * max(1.0, count / len(spec.rooms))
    )
    built = replace(built, house=replace(built.house, grid=grid))
    return with_heating(built, replace(spec, rooms=rooms))


def grown(rooms: tuple[RoomSpec, ...], count: int) -> tuple[RoomSpec, ...]:
    """`count` rooms: copies stand beside each other as the originals do, and each beside its original."""
    names = [_copy_name(rooms[i % len(rooms)].name, i // len(rooms)) for i in range(count)]
    present = set(names)
    return tuple(_copy_of(rooms[i % len(rooms)], name, i // len(rooms), present) for i, name in enumerate(names))


def scenario_for(
    built: HouseFile, period: str, days: float, house_variant: str = "reference", history_days: int = 14
) -> tuple[Scenario, datetime]:
    """The series of a period and its first local midnight; recorded if there are recordings.

    :param history_days: before it, of recorded series.
    """
    begin = PERIODS[period]
    arrays = [section.array() for section in built.config.all(PvSection)]
    whole_days = -int(-days // 1)
    if recorded():
        scenario = recorded_house(
            begin,
            whole_days,
            data_folder(os.environ),
            tariff=built.tariff,
            arrays=arrays,
            timezone=built.site.timezone,
            eur_rate=built.eur_rate,
            name=f"recorded {period}",
            history_days=history_days,
        )
    else:
        site = built.site
        scenario = generated_days(
            begin,
            whole_days,
            tariff=built.tariff,
            arrays=arrays,
            latitude=site.latitude,
            longitude=site.longitude,
            timezone=site.timezone,
            price_rate=built.eur_rate,
        )
    if house_variant == "unplanned_heating":
        scenario = with_heat_in_base_load(scenario)
    return scenario, local_midnight(begin, built)


def with_heat_in_base_load(scenario: Scenario) -> Scenario:
    """The scenario of a house whose rooms are heated by thermostats that nobody plans."""
    heated = variant("heating_only")
    simulated = SimulatedHouse(heated.equipment, heated.house.grid, scenario, scenario.start)
    simulated.advance(scenario.end)
    frame = scenario.frame.copy()
    heating_kw = simulated.flows()["heating_kw"].reindex(pd.DatetimeIndex(frame.index))
    frame["base_load_kw"] = frame["base_load_kw"] + heating_kw
    return replace(scenario, frame=frame, name=f"{scenario.name}, heating in the base load")


def _reheated(device: HeatedRoomsDevice, spec: HeatingSpec) -> Device:
    changed = copy(device)
    # What the device has worked out from its old rooms does not hold for the new ones.
    changed.__dict__.pop("network", None)
    changed.spec = spec
    return changed  # type: ignore[return-value]


def _copy_name(name: str, generation: int) -> str:
    return name if not generation else f"{name}_{generation + 1}"


def _copy_of(room: RoomSpec, name: str, generation: int, present: set[str]) -> RoomSpec:
    beside = {_copy_name(other, generation): flow for other, flow in room.neighbours.items()}
    if generation:
        beside[_copy_name(room.name, generation - 1)] = LINK_KW_PER_K
    return replace(room, name=name, neighbours={other: flow for other, flow in beside.items() if other in present})
