"""The VPP protocol: control by volatile registers at 30000, state at 31000 (A.6)."""

from .points import EXPORT_LIMIT, TENTH, TENTH_W, Point, Table, said_in

IDENTITY = said_in("A.6", Point("dtc", "holding", 30000))
STATUS = said_in(
    "A.6",
    Point("status", "input", 31000),
    Point("battery_state", "input", 31001),
    Point("mode", "input", 31002),
    Point("fault", "input", 31005),
    Point("warning", "input", 31007),
    Point("pv_kw", "input", 31058, "u32", TENTH_W, "kW"),
    Point("ac_kw", "input", 31100, "s32", TENTH_W, "kW"),
    Point("frequency_hz", "input", 31105, "u16", 0.01, "Hz"),
    # The meter's power, above 0 for import.
    Point("grid_kw", "input", 31112, "s32", TENTH_W, "kW"),
    Point("inverter_temperature_c", "input", 31114, "s16", TENTH, "°C"),
    Point("import_kwh", "input", 31120, "u32", TENTH, "kWh"),
    Point("export_kwh", "input", 31124, "u32", TENTH, "kWh"),
)
BATTERY = said_in(
    "A.6",
    # Above 0 for charging.
    Point("battery_kw", "input", 31200, "s32", TENTH_W, "kW"),
    Point("charge_kwh", "input", 31204, "u32", TENTH, "kWh"),
    Point("discharge_kwh", "input", 31208, "u32", TENTH, "kWh"),
    Point("charge_limit", "input", 31210, "u32", TENTH_W, "kW"),
    Point("discharge_limit", "input", 31212, "u32", TENTH_W, "kW"),
    Point("battery_voltage_v", "input", 31214, "u16", TENTH, "V"),
    Point("soc", "input", 31217, "u16", 1, "%"),
    Point("soh", "input", 31218, "u16", 1, "%"),
    Point("battery_temperature_c", "input", 31223, "s16", TENTH, "°C"),
)
CLOCK = said_in(
    "A.6",
    *(
        Point(name, "holding", 30104 + place, memory="eeprom")
        for place, name in enumerate(
            ("clock", "clock_month", "clock_day", "clock_hour", "clock_minute", "clock_second")
        )
    ),
)
SETTINGS = said_in(
    "A.6",
    Point("authority", "holding", 30100, memory="eeprom"),
    # They act under authority only, so PEMS does not rely on them.
    Point("vpp_export_limit_enable", "holding", 30200),
    Point("vpp_export_limit", "holding", 30201, "s16", 1, "%"),
    Point("charge_stop_soc", "holding", 30404, "u16", 1, "%", "eeprom"),
    Point("discharge_stop_soc", "holding", 30405, "u16", 1, "%", "eeprom"),
    Point("reserve_soc", "holding", 30406, "u16", 1, "%", "eeprom"),
    Point("remote_enable", "holding", 30407, memory="volatile"),
    Point("remote_minutes", "holding", 30408, "u16", 1, "min", "volatile"),
    Point("remote_power", "holding", 30409, "s16", 1, "%", "volatile"),
    Point("ac_charge", "holding", 30410, memory="eeprom"),
)
ABSENT = {
    "charge_kw": "battery_kw is signed",
    "discharge_kw": "battery_kw is signed",
    "import_kw": "grid_kw is signed",
    "export_kw": "grid_kw is signed",
    "load_kw": "computed from PV, battery and grid",
    "pv_kwh": "the reference names no register",
    "load_kwh": "the reference names no register",
    "charge_allowed": "follows from charge_limit and discharge_limit",
}

TABLE = Table("vpp", (*IDENTITY, *STATUS, *BATTERY, *EXPORT_LIMIT, *CLOCK, *SETTINGS), ABSENT)
