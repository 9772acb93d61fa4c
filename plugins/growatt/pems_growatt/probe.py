"""Finding out what a unit is and can do, by what it answers (protocols A.1 "Detection", D.1.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pems_core.domain import PemsError
from pems_core.transport.lines import ModbusLine, ModbusRefused, Space

from .registers import TABLES, Point, Table

Family = Literal["sph", "spa", "tl_xh", "vpp"]
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "sph": ("export_limit_mode", "reserve_soc", "grid_sensor", "metering_device", "ac_charge", "charge_coldest"),
    "spa": ("export_limit_mode", "reserve_soc", "grid_sensor", "metering_device", "ac_charge", "charge_coldest"),
    "tl_xh": (
        *("export_limit_mode", "metering_device", "ac_charge", "charge_coldest"),
        *("reserve_soc", "reserve_soc_newer", "grid_charge_stop_soc"),
    ),
    "vpp": ("export_limit_mode", "vpp_export_limit_enable", "ac_charge", "discharge_stop_soc", "reserve_soc"),
}
"""Points by family that only some units have: each is asked for alone."""
NEEDED_FOR: Mapping[str, str] = {
    "ac_charge": "battery_charge_grid",
    "charge_rate": "battery_first",
    "charge_stop_soc": "battery_first",
    "discharge_rate": "grid_first",
    "discharge_stop_soc": "grid_first",
}
"""What a unit cannot be told that lacks a point."""
WIT = range(5600, 5700)
"""VPP device type codes of three-phase storage inverters with a way of their own to end remote control (A.6)."""


class UnknownUnit(PemsError):
    """What answers is no inverter that this plugin knows."""


@dataclass
class Unit:
    """What was found. What a unit refuses later is added."""

    table: Table
    dtc: int | None = None
    """Device type code: holding 43, or 30000 of the VPP protocol."""
    lacking: set[str] = field(default_factory=set)
    """Points of the table that it does not have."""
    ac_charge_stays_on: bool = False
    """Its slots revert while AC charge is off, as a MOD's do (A.4)."""
    reserve_checked: bool = True
    """False for one whose register of the reserve may be another thing (A.2), until a person has looked."""

    def has(self, name: str) -> bool:
        return name in self.table.by_name and name not in self.lacking

    def points(self, *names: str) -> tuple[Point, ...]:
        """Those of the points that it has."""
        return tuple(self.table.by_name[name] for name in names if self.has(name))

    @property
    def limits_export(self) -> bool:
        return self.has("export_limit_mode")

    @property
    def keeps_reserve(self) -> bool:
        """Whether it can be told what it shall keep in reserve."""
        places = ("reserve_soc", "discharge_stop_soc" if self.table.family == "vpp" else "reserve_soc_newer")
        return self.reserve_checked and any(self.has(name) for name in places)

    @property
    def lacks(self) -> frozenset[str]:
        """The modes and switches that it cannot be told."""
        lost = {control for point, control in NEEDED_FOR.items() if point in self.lacking}
        lost |= {mode for mode in ("battery_first", "grid_first") if f"{mode}_slot1_enable" in self.lacking}
        if "slot1" in self.lacking or "remote_enable" in self.lacking:
            lost |= {"battery_first", "grid_first"}
        if not self.limits_export:
            lost.add("grid_export")
        if not self.keeps_reserve:
            lost.add("reserve_soc")
        return frozenset(lost)


async def probe(line: ModbusLine, family: Family | Literal["probe"] = "probe") -> Unit:
    """What is at the other end.

    :param family: as the house file names it; else what answers decides.
    :raises UnknownUnit: if no family fits what answers.
    :raises NotDelivered: if nothing answers.
    """
    # In this order: the VPP protocol tells most (A.1).
    vpp_dtc = await _first_word(line, "holding", 30000)
    dtc = await _first_word(line, "holding", 43)
    found = family if family != "probe" else await _family(line, vpp_dtc)
    unit = Unit(TABLES[found], vpp_dtc if found == "vpp" else dtc)
    for point in unit.points(*OPTIONAL[found]):
        if await _answer(line, point.space, point.address, point.words) is None:
            unit.lacking.add(point.name)
    return unit


async def _family(line: ModbusLine, vpp_dtc: int | None) -> Family:
    if await _first_word(line, "input", 3000) is not None and await _first_word(line, "holding", 3038) is not None:
        return "tl_xh"
    if await _first_word(line, "input", 1000) is not None and await _answer(line, "holding", 1100, 3) is not None:
        return "sph" if await _first_word(line, "input", 2000) is None else "spa"
    # An SPH HU and a MIN TL-XH2 take their slots nowhere else (A.1).
    if vpp_dtc is not None:
        return "vpp"
    raise UnknownUnit(
        "nothing answers at holding 30000, 1100 or 3038: allowed are SPH, MIX, SPA, TL-XH and the VPP protocol"
    )


async def _first_word(line: ModbusLine, space: Space, address: int) -> int | None:
    words = await _answer(line, space, address, 1)
    return words[0] if words else None


async def _answer(line: ModbusLine, space: Space, address: int, count: int) -> tuple[int, ...] | None:
    """What is there; None if the unit says that nothing is.

    :raises NotDelivered: if it does not answer: that says nothing about what it can do.
    """
    try:
        return await line.read(space, address, count)
    except ModbusRefused:
        return None
