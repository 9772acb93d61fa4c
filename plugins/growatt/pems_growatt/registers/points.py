"""What a register table is made of: rows of points, and from words to numbers.

Sections named in the tables are those of the device protocol reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from pems_core.transport.lines import Space
from pems_core.transport.modbus_blocks import Span
from pems_core.transport.modbus_words import signed_value, unsigned_value

Kind = Literal["u16", "u32", "s16", "s32", "pair"]
"""`u32` and `s32` have the high word at the lower address (A.1); a `pair` is two words that are one setting."""
Memory = Literal["volatile", "eeprom", "assumed_eeprom", "never"]
"""What a write wears (A.7); `never`: PEMS does not write it."""
WORDS: Mapping[Kind, int] = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "pair": 2}
UNITS = frozenset({"", "kW", "kWh", "V", "A", "°C", "Hz", "%", "min", "h:m"})

GROUPS = (
    *(range(begin, begin + 125) for begin in (0, 125, 500, 1000, 1125, 2000, 3000, 3125, 3250)),
    *(range(begin, end) for begin, end in ((30000, 30100), (30100, 30150), (30150, 30300), (30300, 30500))),
    *(range(begin, end) for begin, end in ((31000, 31010), (31010, 31100), (31100, 31200), (31200, 31300))),
)
"""Groups of registers, in both spaces; no request may reach over the border of one (A.1). Nothing tells those of 533
and 608."""

STATES = frozenset(
    {
        *("status", "mode", "fault", "warning", "frequency_hz"),
        *("pv_kw", "charge_kw", "discharge_kw", "import_kw", "export_kw", "load_kw"),
        *("soc", "soh", "battery_voltage_v", "battery_temperature_c"),
        *("charge_limit", "discharge_limit", "charge_allowed"),
        *("export_limit_mode", "export_limit", "clock"),
        *("pv_kwh", "import_kwh", "export_kwh", "charge_kwh", "discharge_kwh", "load_kwh"),
    }
)
"""What the device contract asks an inverter for (D.2): each table has it, or says why not."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value in one register or two: its number times `scale` is in `unit`."""

    name: str
    space: Space
    address: int
    kind: Kind = "u16"
    scale: float = 1.0
    unit: str = ""
    memory: Memory = "never"
    source: str = ""

    @property
    def words(self) -> int:
        return WORDS[self.kind]

    @property
    def addresses(self) -> range:
        return range(self.address, self.address + self.words)

    @property
    def writable(self) -> bool:
        return self.memory != "never"

    @property
    def wears(self) -> bool:
        return self.memory in ("eeprom", "assumed_eeprom")

    @property
    def span(self) -> Span:
        return Span(self.space, self.address, self.words)

    def number(self, words: Sequence[int]) -> int:
        """What its words say.

        >>> Point("ac_kw", "input", 35, "s32", 0.0001, "kW").number((0xFFFF, 0xFFFB))
        -5
        """
        return signed_value(words) if self.kind in ("s16", "s32") else unsigned_value(words)


@dataclass(frozen=True)
class Table:
    """The registers of one family."""

    family: str
    points: tuple[Point, ...]
    absent: Mapping[str, str]
    """Of `STATES`: what the family does not tell, with the reason."""

    @cached_property
    def by_name(self) -> Mapping[str, Point]:
        return {point.name: point for point in self.points}

    @cached_property
    def by_holding(self) -> Mapping[int, Point]:
        """The point that a holding register belongs to."""
        return {at: point for point in self.points if point.space == "holding" for at in point.addresses}

    def named(self, *names: str) -> tuple[Point, ...]:
        return tuple(self.by_name[name] for name in names if name in self.by_name)


def said_in(source: str, *points: Point) -> tuple[Point, ...]:
    """Points of one section of the reference."""
    return tuple(replace(point, source=source) for point in points)


def slots(name: str, first: int, numbers: int, stride: int = 3) -> tuple[Point, ...]:
    """Time slots of one mode: start, stop and enable word each."""
    return tuple(
        Point(f"{name}_slot{number + 1}_{word}", "holding", first + stride * number + place, "u16", 1, unit, EEPROM)
        for number in range(numbers)
        for place, (word, unit) in enumerate((("start", "h:m"), ("stop", "h:m"), ("enable", "")))
    )


EEPROM: Memory = "assumed_eeprom"
"""No document says how 122, 123, 1070-1108 and 3036-3059 are kept (A.7)."""
TENTH_W = 0.0001
"""Powers are in 0.1 W [kW]."""
TENTH = 0.1
"""Energies, voltages and temperatures are in 0.1 kWh, V and °C."""

EXPORT_LIMIT = said_in(
    "A.2",
    Point("export_limit_mode", "holding", 122, memory=EEPROM),
    Point("export_limit", "holding", 123, "s16", 0.1, "%", EEPROM),
)
"""The same in all families of the RTU protocol (A.4): 122 = 0 off, 1 meter on RS485, 2 on RS232, 3 clamps."""
CLOCK = said_in(
    "A.2",
    *(
        Point(name, "holding", 45 + place, memory="eeprom")
        for place, name in enumerate(
            ("clock", "clock_month", "clock_day", "clock_hour", "clock_minute", "clock_second")
        )
    ),
)
IDENTITY = said_in("A.1", Point("dtc", "holding", 43))
