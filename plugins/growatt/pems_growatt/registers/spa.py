"""SPA: AC-coupled batteries. Battery, grid and settings as SPH, no PV, and the inverter itself at 2000 (A.3).

Its load-first slots (1110-1118) are left alone: they do what it does by itself.
"""

from . import sph
from .points import CLOCK, EXPORT_LIMIT, IDENTITY, TENTH, TENTH_W, Point, Table, said_in

INVERTER = said_in(
    "A.3",
    Point("inverter_state", "input", 2000),
    Point("ac_kw", "input", 2035, "s32", TENTH_W, "kW"),
    Point("inverter_temperature_c", "input", 2093, "s16", TENTH, "°C"),
    Point("mode", "input", 2118),
    # PV with an inverter of its own that this one meters.
    Point("other_pv_kw", "input", 1131, "u32", TENTH_W, "kW"),
)
ABSENT = {
    **sph.ABSENT,
    "pv_kw": "it has no PV",
    "pv_kwh": "it has no PV",
    "frequency_hz": "the reference names no register",
    "fault": "the reference names no register",
    "warning": "the reference names no register",
}

TABLE = Table(
    "spa",
    (
        *IDENTITY,
        *INVERTER,
        *sph.BATTERY,
        *sph.BMS,
        *EXPORT_LIMIT,
        *CLOCK,
        *sph.TEMPERATURE_WINDOWS,
        *sph.SETTINGS,
    ),
    ABSENT,
)
