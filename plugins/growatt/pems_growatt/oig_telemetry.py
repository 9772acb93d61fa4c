"""Telemetry of an OpenInverterGateway: its JSON names, by build, and the points that they become (protocols B.1).

Values are already in W, kWh, °C and %; there is no time in them, but `Cnt` and `Uptime`, which tell new from old.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .fault_texts import TL_XH_DERATING
from .oig_payload import BadPayload, number, whole

KW_PER_W = 0.001
MOST_W = 100_000.0
MOST_KWH = 10_000_000.0
NO_FLOW_W = 50.0
"""Signed registers waver around 0 (protocols A.1); no flow is negative."""

STATUS = {
    0: "waiting",
    1: "normal",
    3: "fault",
    4: "update",
    5: "normal",
    6: "normal",
    7: "off_grid",
    8: "off_grid",
}
"""Input registers 0 and 1000 (protocols A.2); the 3000-range has the same in its low byte (A.4)."""
MODES = {0: "load_first", 1: "battery_first", 2: "grid_first"}
"""Present priority, input registers 118 and 3144."""
GONE = -1
"""`InverterStatus` of the gateway's last will, which replaces all other fields (protocols E.5, 58)."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A field that is a number; builds and versions name some differently."""

    names: tuple[str, ...]
    point: str
    unit: str
    scale: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Word:
    """A field that is a number with a meaning."""

    names: tuple[str, ...]
    point: str
    meanings: Mapping[int, str]


Entry = Quantity | Word


def power(name: str, point: str) -> Quantity:
    return Quantity((name,), point, "kW", KW_PER_W, -NO_FLOW_W, MOST_W)


def total(name: str, point: str) -> Quantity:
    return Quantity((name,), point, "kWh", 1.0, 0.0, MOST_KWH)


def code(name: str, point: str) -> Quantity:
    return Quantity((name,), point, "", 1.0, 0.0, 0xFFFF)


def charge(*names: str) -> Quantity:
    return Quantity(names, "soc", "share", 0.01, 0.0, 100.0)


STATUS_WORD = Word(("InverterStatus",), "status", STATUS)

BUILD_124: Sequence[Entry] = (
    STATUS_WORD,
    charge("SOC"),
    Quantity(("BatteryTemperature",), "battery_temperature_c", "°C", 1.0, -40.0, 100.0),
    power("InputPower", "pv_kw"),
    power("ChargePower", "charge_kw"),
    power("DischargePower", "discharge_kw"),
    power("ACPowerToUserTotal", "import_kw"),
    power("ACPowerToGridTotal", "export_kw"),
    power("INVPowerToLocalLoadTotal", "load_kw"),
    total("PVEnergyTotal", "pv_kwh"),
    total("EnergyToUserTotal", "import_kwh"),
    total("EnergyToGridTotal", "export_kwh"),
    total("ChargeEnergyTotal", "charge_kwh"),
    total("DischargeEnergyTotal", "discharge_kwh"),
    total("LocalLoadEnergyTotal", "load_kwh"),
)
# Beside many holding registers, build 307 publishes the present priority (input register 118).
BUILD_307: Sequence[Entry] = (*BUILD_124, Word(("CurrentMode",), "mode", MODES))
# Protocols B.1 names the fields of the grid; the others stand in the gateway's own table of registers.
BUILD_3000: Sequence[Entry] = (
    STATUS_WORD,
    Word(("Priority",), "mode", MODES),
    Word(("DeratingMode",), "derating", {0: "", **TL_XH_DERATING}),
    code("InverterFaultMaincode", "fault"),
    code("InverterWarnMaincode", "warning"),
    charge("BDCStateOfCharge", "SOC"),
    power("PVTotalPower", "pv_kw"),
    power("BDCChargePower", "charge_kw"),
    power("BDCDischargePower", "discharge_kw"),
    power("TotalForwardPower", "import_kw"),
    power("TotalReversePower", "export_kw"),
    power("TotalLoadPower", "load_kw"),
    total("PVEnergyTotal", "pv_kwh"),
    total("TotalEnergyToUser", "import_kwh"),
    total("TotalEnergyToGrid", "export_kwh"),
    total("ChargeEnergyTotal", "charge_kwh"),
    total("DischargeEnergyTotal", "discharge_kwh"),
    total("TotalEnergyOfUserLoad", "load_kwh"),
)
TABLES: Mapping[str, Sequence[Entry]] = {"124": BUILD_124, "307": BUILD_307, "3000": BUILD_3000}
FLOWS = ("pv_kw", "charge_kw", "discharge_kw", "import_kw", "export_kw", "load_kw")


@dataclass(frozen=True)
class Telemetry:
    """One payload, by point."""

    values: Mapping[str, tuple[float | str, str]] = field(default_factory=dict)
    """Value and unit of what could be read."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Points whose field is absent or broken, with what was found."""
    suspect: Mapping[str, str] = field(default_factory=dict)
    """Points that were read and cannot be believed, with the reason."""
    gone: bool = False
    """It is the last will of the gateway: nothing is known any more."""
    count: float | None = None
    uptime_s: float | None = None
    build: str = ""
    """The build whose table it is."""


def decode(fields: Mapping[str, object]) -> Telemetry:
    """The points of one payload; a field that is broken costs only its own point."""
    if fields.get("InverterStatus") == GONE:
        return Telemetry(gone=True)
    values: dict[str, tuple[float | str, str]] = {}
    missing: dict[str, str] = {}
    suspect: dict[str, str] = {}
    build = _build(fields)
    for entry in TABLES[build]:
        found = _field(entry, fields)
        try:
            if isinstance(entry, Word):
                values[entry.point] = (_meaning(entry, found), "")
                continue
            raw = number(found)
        except BadPayload as fault:
            missing[entry.point] = f"{entry.names[0]}: {fault}"
            continue
        values[entry.point] = (max(0.0, raw) * entry.scale if entry.unit == "kW" else raw * entry.scale, entry.unit)
        if not entry.lowest <= raw <= entry.highest:
            allowed = f"{entry.lowest:g} to {entry.highest:g} is allowed"
            suspect[entry.point] = f"{entry.names[0]}: found {raw:g}; {allowed}"
    suspect |= _unbelievable(values)
    count, uptime_s = _counter(fields, "Cnt"), _counter(fields, "Uptime")
    return Telemetry(values, missing, suspect, count=count, uptime_s=uptime_s, build=build)


def _build(fields: Mapping[str, object]) -> str:
    """The build in whose table the payload leaves the fewest gaps, counted against its hits."""

    def hits(build: str) -> int:
        table = TABLES[build]
        return 2 * sum(any(name in fields for name in entry.names) for entry in table) - len(table)

    return max(TABLES, key=hits)


def _field(entry: Entry, fields: Mapping[str, object]) -> object:
    """The field's value; None if it is absent, as if it were null."""
    return next((fields[name] for name in entry.names if name in fields), None)


def _meaning(entry: Word, found: object) -> str:
    # The 3000-range keeps the mode of work in the high byte of its status word (protocols A.4).
    raw = whole(found) & 0xFF
    if raw not in entry.meanings:
        raise BadPayload(f"found {raw}; one of {', '.join(map(str, entry.meanings))} is needed")
    return entry.meanings[raw]


def _counter(fields: Mapping[str, object], name: str) -> float | None:
    try:
        return number(fields.get(name))
    except BadPayload:
        return None


def _unbelievable(values: Mapping[str, tuple[float | str, str]]) -> Mapping[str, str]:
    """Points that tell of a failed reading rather than of the house."""
    flows = [values[point][0] for point in FLOWS if point in values]
    if len(flows) < len(FLOWS) or any(flows) or values.get("soc", (None, ""))[0] != 0.0:
        return {}
    return dict.fromkeys((*FLOWS, "soc"), "everything is 0: a reading that failed (protocols A.10)")
