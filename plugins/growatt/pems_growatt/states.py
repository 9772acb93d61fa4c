"""From registers to states (protocols D.2): units, directions, enumerations, and limits of the battery.

Everything here looks at one poll. Whether it can be believed after the polls before is in `plausible`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pems_core.domain import Value

from .fault_texts import BMS_LOST, derating_text
from .registers import Table

MODES: Mapping[int, str] = {0: "load_first", 1: "battery_first", 2: "grid_first"}
STATUS: Mapping[int, str] = {
    0: "waiting",
    1: "self_test",
    3: "fault",
    4: "update",
    5: "normal",
    6: "normal",
    7: "off_grid",
    8: "off_grid",
    9: "normal",
}
"""Of input 1000, of the high byte of 3000, and of 31000 (A.2, A.4, A.6); 9 is a bypass to the grid."""
UNITS: Mapping[str, str] = {"kw": "kW", "kwh": "kWh", "c": "°C", "s": "s", "hz": "Hz"}
SETTINGS = frozenset({"grid_export", "battery_charge_grid", "stop_soc"})
"""States that are told by settings."""
SHARES = frozenset({"soc", "soh", "stop_soc"})
ANY_KNOWN_PACK_V = 30.0
WHOLE_DEGREES_BELOW_C = 6.0
"""A battery colder than this, by a register in 0.1 °C, may be one of a firmware that delivers whole degrees."""
CHARGE, DISCHARGE = 0, 1
DEFAULT_COLDEST_CHARGE_C = 3.0
"""Vendor's default of the temperature window for charging (A.2)."""

Words = Mapping[str, tuple[int, ...]]
"""By point, the registers that it is in."""
Named = Mapping[str, float]
"""Values of points in their units."""


@dataclass
class Memory:
    """What must be known of earlier polls to read this one."""

    told: set[str] = field(default_factory=set)
    """Points that were once not 0: a limit that a pack never tells reads 0, and forbids nothing."""


def unit_of(state: str) -> str:
    """The unit of a reading.

    >>> unit_of("pv_kw"), unit_of("soc"), unit_of("mode")
    ('kW', 'share', '')
    """
    return "share" if state in SHARES else UNITS.get(state.rpartition("_")[2], "")


def named(table: Table, words: Words) -> dict[str, float]:
    """The numbers of points, in the units of their table."""
    values = {}
    for name, said in words.items():
        point = table.by_name[name]
        if point.kind != "pair":
            values[name] = point.number(said) * point.scale
    return values


def states(table: Table, values: Named, memory: Memory) -> dict[str, Value]:
    """What a poll of `table` says, by reading; what it does not say is left out."""
    memory.told |= {name for name, value in values.items() if value}
    found: dict[str, Value] = {}
    found |= _status(table, values)
    found |= _powers(values)
    found |= {name: value for name, value in values.items() if name.endswith("_kwh")}
    found |= _battery(values)
    found |= limits_kw(values, memory)
    found |= _settings(values, found.get("mode"))
    return found


def _status(table: Table, values: Named) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    if "status" in values:
        number = int(values["status"])
        text = STATUS.get(number >> 8 if table.family == "tl_xh" else number)
        if text:
            found["status"] = text
    if int(values.get("mode", -1)) in MODES:
        found["mode"] = MODES[int(values["mode"])]
    found |= {name: values[name] for name in ("fault", "warning", "frequency_hz") if name in values}
    if "derating" in values:
        found["derating"] = derating_text(table.family, int(values["derating"]))
    return found


def _powers(values: Named) -> Mapping[str, Value]:
    """Powers, never negative, each in its direction."""
    found: dict[str, float] = {name: values[name] for name in ("charge_kw", "discharge_kw") if name in values}
    if "pv_kw" in values:
        found["pv_kw"] = values["pv_kw"]
    if "battery_kw" in values:
        found |= {"charge_kw": max(0.0, values["battery_kw"]), "discharge_kw": max(0.0, -values["battery_kw"])}
    if "grid_kw" in values:
        found |= {"import_kw": max(0.0, values["grid_kw"]), "export_kw": max(0.0, -values["grid_kw"])}
        if "battery_kw" in values and "pv_kw" in values:
            found["load_kw"] = max(0.0, values["pv_kw"] - values["battery_kw"] + values["grid_kw"])
        return found
    # A small negative value is noise of the meter; one that is not is energy in the other direction.
    for one, other in (("import_kw", "export_kw"), ("export_kw", "import_kw")):
        if one in values:
            found[one] = max(0.0, values[one]) + max(0.0, -values.get(other, 0.0))
    if "load_kw" in values:
        found["load_kw"] = max(0.0, values["load_kw"])
    return found


def _battery(values: Named) -> Mapping[str, Value]:
    # Of a battery whose management does not answer nothing is known.
    if int(values.get("warning", 0)) == BMS_LOST:
        return {}
    found: dict[str, Value] = {name: values[name] / 100 for name in ("soc", "soh") if name in values}
    temperature_c = battery_temperature_c(values)
    if temperature_c is not None:
        found["battery_temperature_c"] = temperature_c
    return found


def battery_temperature_c(values: Named) -> float | None:
    """The battery's temperature, None if nobody can know its scale: some SPH firmware delivers whole °C (A.2).

    >>> battery_temperature_c({"battery_temperature_c": 1.8, "bms_temperature_c": 18.2})
    18.0
    >>> battery_temperature_c({"battery_temperature_c": 18.1})
    18.1
    """
    tenths_c = values.get("battery_temperature_c")
    if tenths_c is None:
        return None
    bms_c = values.get("bms_temperature_c")
    if bms_c:
        return min((tenths_c, round(10 * tenths_c, 3)), key=lambda each: abs(each - bms_c))
    return None if 0 < tenths_c < WHOLE_DEGREES_BELOW_C and "bms_temperature_c" in values else tenths_c


def limits_kw(values: Named, memory: Memory) -> Mapping[str, float]:
    """What battery and inverter allow now: 0 if they forbid it, nothing if they do not say."""
    told = {
        "charge_limit_kw": _limit_kw(values, memory, "charge_limit"),
        "discharge_limit_kw": _limit_kw(values, memory, "discharge_limit", "charge_limit"),
    }
    found = {state: limit_kw for state, limit_kw in told.items() if limit_kw is not None}
    if _forbidden(values, memory, CHARGE):
        found["charge_limit_kw"] = 0.0
    if _forbidden(values, memory, DISCHARGE):
        found["discharge_limit_kw"] = 0.0
    return found


def _limit_kw(values: Named, memory: Memory, *names: str) -> float | None:
    """The first of the limits that is told; currents [A] become powers at the battery's voltage."""
    name = next((name for name in names if name in values), None)
    if name is None or name not in memory.told:
        return None
    if "battery_kw" in values:
        return values[name]
    voltage_v = values.get("battery_voltage_v", 0.0)
    # Some firmware gives voltages in another scale (A.10): no battery of these inverters is that low.
    return values[name] * voltage_v / 1000 if voltage_v >= ANY_KNOWN_PACK_V else None


def _forbidden(values: Named, memory: Memory, direction: int) -> bool:
    """Battery management says no (3211, 3187) or nothing at all, or the battery is outside its temperature window
    (1009-1012)."""
    if int(values.get("warning", 0)) == BMS_LOST:
        return True
    requests, allowed = int(values.get("bms_requests", 0)), int(values.get("charge_allowed", 0))
    if requests >> (0 if direction == CHARGE else 8) & 1:
        return True
    if "charge_allowed" in memory.told and not allowed >> direction & 1:
        return True
    return not _warm_enough(values, "charge" if direction == CHARGE else "discharge")


def _warm_enough(values: Named, direction: str) -> bool:
    temperature_c = battery_temperature_c(values)
    if temperature_c is None:
        return True
    coldest, hottest = values.get(f"{direction}_coldest"), values.get(f"{direction}_hottest")
    if not coldest and not hottest:
        # Discharge needs no guess: its default window reaches to -17 °C.
        return direction == "discharge" or temperature_c >= DEFAULT_COLDEST_CHARGE_C
    above = coldest is None or temperature_c >= window_c(coldest)
    return above and (not hottest or temperature_c <= window_c(hottest))


def window_c(number: float) -> float:
    """A border of a temperature window in its own coding (A.2).

    >>> window_c(30), window_c(1170)
    (3.0, -17.0)
    """
    return number / 10 if number < 1000 else -(number - 1000) / 10


def _settings(values: Named, mode: Value | None) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    export = export_enabled(values)
    if export is not None:
        found["grid_export"] = export
    if "ac_charge" in values:
        found["battery_charge_grid"] = values["ac_charge"] > 0
    stop_soc = {"battery_first": "charge_stop_soc", "grid_first": "discharge_stop_soc"}.get(str(mode))
    if stop_soc is not None and stop_soc in values:
        found["stop_soc"] = effective_stop_soc(values, stop_soc) / 100
    return found


def effective_stop_soc(values: Named, name: str) -> float:
    """A stop SOC [%] as it will be obeyed: where there are two for charging, the lower wins (A.4, #372)."""
    caps = [values[name]]
    if name == "charge_stop_soc" and values.get("grid_charge_stop_soc"):
        caps.append(values["grid_charge_stop_soc"])
    return min(caps)


def export_enabled(values: Named) -> bool | None:
    """Whether anything may be fed in; None if it is not known."""
    limited = None
    if "export_limit_mode" in values and "export_limit" in values:
        limited = values["export_limit_mode"] > 0 and values["export_limit"] <= 0
    if values.get("authority") and "vpp_export_limit_enable" in values and "vpp_export_limit" in values:
        limited = bool(limited) or (values["vpp_export_limit_enable"] > 0 and values["vpp_export_limit"] <= 0)
    return None if limited is None else not limited


def clock_offset_s(words: Mapping[str, int], now: datetime, zone: ZoneInfo) -> float | None:
    """How far the inverter's clock is ahead of local time [s]; None if it shows no time.

    Some firmware gives the year with two digits, some with four. In the hour that comes twice, the nearer is meant.

    >>> from datetime import UTC
    >>> shown = dict(zip(CLOCK_WORDS, (26, 7, 1, 12, 0, 30)))
    >>> clock_offset_s(shown, datetime(2026, 7, 1, 10, 0, tzinfo=UTC), ZoneInfo("Europe/Prague"))
    30.0
    """
    year, month, day, hour, minute, second = (words[name] for name in CLOCK_WORDS)
    try:
        shown = datetime(year + 2000 if year < 100 else year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None
    offsets = [(shown.replace(tzinfo=zone, fold=fold) - now).total_seconds() for fold in (0, 1)]
    return min(offsets, key=abs)


CLOCK_WORDS = ("clock", "clock_month", "clock_day", "clock_hour", "clock_minute", "clock_second")
CLOCK_LATE = timedelta(seconds=1)
"""The seconds word is applied last: a clock that is set ends up about 1.4 s late (A.2)."""
