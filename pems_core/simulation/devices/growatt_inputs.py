"""Input registers of each family, from what the inverter measures (protocols A.2-A.6)."""

from collections.abc import Callable, Mapping

from .growatt_measured import Measured
from .growatt_slots import MODES
from .traps import Traps

Put = Callable[[int, float, int], None]
"""Address, value in the register's unit, and how many registers it takes."""

AT_PV_STRINGS = (0.5, 0.5)
PV_V = 400.0


def tenths(put: Put, values: Mapping[int, float]) -> None:
    """32-bit values in tenths: powers in 0.1 W, energies in 0.1 kWh."""
    for address, value in values.items():
        put(address, value * 10, 2)


def words(put: Put, values: Mapping[int, float]) -> None:
    for address, value in values.items():
        put(address, value, 1)


def strings(put: Put, first: int, pv_w: float) -> None:
    """Voltage, current and power of each string of modules."""
    for string, share in enumerate(AT_PV_STRINGS):
        address, power_w = first + 4 * string, pv_w * share
        words(put, {address: PV_V * 10 if pv_w > 0 else 0, address + 1: power_w / PV_V * 10})
        tenths(put, {address + 2: power_w})


def day_and_total(put: Put, measured: Measured, energies: Mapping[int, str]) -> None:
    """By the address of today's energy; the total follows it."""
    for address, name in energies.items():
        tenths(put, {address: measured.today_kwh[name], address + 2: measured.total_kwh[name]})


def put_sph(put: Put, m: Measured, traps: Traps) -> None:
    """0-124."""
    words(put, {0: m.state, 37: 5000 if m.grid_v else 0, 38: m.grid_v * 10, 93: m.inverter_c * 10})
    words(put, {94: m.inverter_c * 10, 95: m.inverter_c * 10, 101: m.output_percent, 104: 1 if m.derating else 0})
    words(put, {105: m.fault, 112: m.warning, 118: MODES.index(m.mode), 119: 1})
    tenths(put, {1: m.pv_w, 35: m.ac_w})
    strings(put, 3, m.pv_w)
    for phase in range(3):
        words(put, {38 + 4 * phase: m.grid_v * 10})
    # What the inverter gave contains what the battery gave: not the yield of PV (protocols A.2).
    tenths(put, {53: m.today_kwh["ac"], 55: m.total_kwh["ac"], 91: m.total_kwh["pv"]})
    for string, share in enumerate(AT_PV_STRINGS):
        tenths(put, {59 + 4 * string: m.today_kwh["pv"] * share, 61 + 4 * string: m.total_kwh["pv"] * share})


def put_storage(put: Put, m: Measured, traps: Traps) -> None:
    """1000-1249 of SPH and SPA."""
    words(put, {1000: m.state, 1013: m.battery_v * 10, 1014: m.soc})
    # Some firmware gives whole degrees (trap 39).
    words(put, {1040: m.battery_c * (1 if "39" in traps else 10), 1089: m.battery_c * 10})
    words(put, {1041: 1 if m.charge_w else 2 if m.discharge_w else 0})
    tenths(put, {1009: m.discharge_w, 1011: m.charge_w, 1021: m.import_w, 1029: m.export_w, 1037: m.load_w})
    for phase in range(3):
        at = 2 * phase
        tenths(put, {1015 + at: m.import_w / 3, 1023 + at: m.export_w / 3, 1031 + at: m.load_w / 3})
    day_and_total(put, m, {1044: "import", 1048: "export", 1052: "discharge", 1056: "charge", 1060: "load"})
    words(put, {1082: 1, 1083: 1, 1086: m.bms_soc, 1087: m.battery_v * 100, 1088: m.battery_a * 100})
    limit_a = max(m.charge_limit_w, m.discharge_limit_w) / m.battery_v
    words(put, {1090: limit_a * 100, 1095: 300, 1096: m.soh, 1099: 1 if m.cold else 0})
    words(put, {1108: 3350, 1109: 3300, 1114: m.battery_c * 10 + 5, 1115: m.battery_c * 10 - 5})
    words(put, {1119: m.bms_soc, 1120: m.bms_soc})
    day_and_total(put, m, {1124: "ac_charge"})
    tenths(put, {1128: m.ac_charge_w})


def put_spa(put: Put, m: Measured, traps: Traps) -> None:
    """2000-2124; an AC-coupled unit has no PV."""
    words(put, {2000: m.state, 2118: MODES.index(m.mode)})
    words(put, {2093: m.inverter_c * 10, 2094: m.inverter_c * 10, 2095: m.inverter_c * 10})
    tenths(put, {2035: m.ac_w})
    day_and_total(put, m, {2053: "ac", 2112: "ac_charge"})
    tenths(put, {2116: m.ac_charge_w})


def put_tl_xh_low(put: Put, m: Measured, traps: Traps) -> None:
    """0-124, as MOD answers besides its own range."""
    words(put, {0: 3 if m.fault else 1 if m.state else 0, 37: 5000 if m.grid_v else 0, 118: MODES.index(m.mode)})
    tenths(put, {1: m.pv_w, 35: m.ac_w})


def put_tl_xh(put: Put, m: Measured, traps: Traps) -> None:
    """3000-3124."""
    low = 3 if m.fault else 0 if m.state == 0 else 1
    words(put, {3000: m.state << 8 | low, 3025: 5000 if m.grid_v else 0, 3086: 6 if m.derating else 0})
    tenths(put, {3001: m.pv_w, 3019: m.ac_w, 3023: m.ac_w, 3041: m.import_w, 3043: m.export_w, 3045: m.load_w})
    strings(put, 3003, m.pv_w)
    for phase in range(3):
        words(put, {3026 + 4 * phase: m.grid_v * 10})
    tenths(put, {3053: m.total_kwh["pv"], 3083: m.today_kwh["pv"]})
    for string, share in enumerate(AT_PV_STRINGS):
        tenths(put, {3055 + 4 * string: m.today_kwh["pv"] * share, 3057 + 4 * string: m.total_kwh["pv"] * share})
    day_and_total(put, m, {3049: "ac", 3067: "import", 3071: "export", 3075: "load"})
    words(put, {3093: m.inverter_c * 10, 3094: m.inverter_c * 10, 3095: m.inverter_c * 10, 3101: m.output_percent})
    words(put, {3104: 0 if m.grid_v else 1 << 2, 3105: m.fault, 3106: m.warning, 3115: 30 if m.booting else 0})
    words(put, {3118: 1})


def put_tl_xh_battery(put: Put, m: Measured, traps: Traps) -> None:
    """3125-3249."""
    day_and_total(put, m, {3125: "discharge", 3129: "charge", 3133: "ac_charge"})
    words(put, {3144: MODES.index(m.mode), 3165: battery_derating(m), 3166: battery_work(m) << 8 | 1})
    # Some high-voltage firmware counts in 0.1 V (trap 39); in 0.01 V the register wraps above 655.35 V.
    words(put, {3169: m.battery_v * (10 if "39" in traps else 100), 3170: m.battery_a * 10, 3171: m.soc})
    words(put, {3168: m.warning if m.bms_lost else 0, 3176: m.inverter_c * 10, 3177: m.inverter_c * 10})
    tenths(put, {3178: m.discharge_w, 3180: m.charge_w})
    words(put, {3187: (not m.charge_forbidden) | (not m.discharge_forbidden) << 1})
    words(put, {3192: m.battery_c * 10 + 5, 3193: m.battery_c * 10, 3196: m.bms_soc, 3197: m.bms_soc})
    words(put, {3211: m.charge_forbidden | m.forced_charge << 1 | m.discharge_forbidden << 8})
    words(put, {3212: 6 if m.bms_lost else battery_work(m) or 3, 3215: m.bms_soc, 3216: m.battery_v * 100})
    words(put, {3217: m.battery_a * 100, 3218: m.battery_c * 10, 3221: 300, 3222: m.soh, 3230: 3350, 3231: 3300})
    limits_a = m.charge_limit_w / m.battery_v, m.discharge_limit_w / m.battery_v
    words(put, {3219: limits_a[0] * 100, 3220: limits_a[1] * 100})


def put_vpp(put: Put, m: Measured, traps: Traps) -> None:
    """31000-31299."""
    words(put, {31000: vpp_state(m), 31001: 1 if m.bms_lost else (0, 2, 3)[battery_work(m)]})
    words(put, {31002: MODES.index(m.mode), 31005: m.fault, 31007: m.warning, 31105: 5000 if m.grid_v else 0})
    for string, share in enumerate(AT_PV_STRINGS):
        words(put, {31010 + 2 * string: PV_V * 10 if m.pv_w else 0, 31011 + 2 * string: m.pv_w * share / PV_V * 10})
    tenths(put, {31058: m.pv_w, 31100: m.ac_w, 31112: m.import_w - m.export_w, 31200: m.charge_w - m.discharge_w})
    for phase in range(3):
        words(put, {31106 + 2 * phase: m.grid_v * 10})
    words(put, {31114: m.inverter_c * 10})
    day_and_total(put, m, {31118: "import", 31122: "export", 31202: "charge", 31206: "discharge"})
    tenths(put, {31210: m.charge_limit_w, 31212: m.discharge_limit_w, 31215: m.battery_a})
    words(put, {31214: m.battery_v * 10, 31217: m.soc, 31218: m.soh, 31219: 50, 31223: m.battery_c * 10})


def battery_work(m: Measured) -> int:
    """0 idle, 1 charging, 2 discharging."""
    return 1 if m.charge_w else 2 if m.discharge_w else 0


def battery_derating(m: Measured) -> int:
    """Register 3165 by the table of V1.39."""
    if m.cold:
        return 7
    if m.bms_lost:
        return 2
    return 9 if m.charge_forbidden and m.soc >= 98 else 0


def vpp_state(m: Measured) -> int:
    """0 standby, 3 fault, 5 PV only, 6 battery on grid, 7 and 8 off grid."""
    if m.state in (0, 1, 3, 7, 8):
        return m.state
    return 6 if battery_work(m) else 5
