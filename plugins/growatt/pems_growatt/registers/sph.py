"""SPH and MIX: hybrid inverters with the 0 and 1000 ranges of protocol II (A.2)."""

from .points import CLOCK, EEPROM, EXPORT_LIMIT, IDENTITY, TENTH, TENTH_W, Point, Table, said_in, slots

PLANT = said_in(
    "A.2",
    Point("inverter_state", "input", 0),
    Point("pv_kw", "input", 1, "u32", TENTH_W, "kW"),
    Point("ac_kw", "input", 35, "s32", TENTH_W, "kW"),
    Point("frequency_hz", "input", 37, "u16", 0.01, "Hz"),
    # 53-56 is AC energy, with what the battery gave: not what the sun did.
    Point("pv_kwh", "input", 91, "u32", TENTH, "kWh"),
    Point("inverter_temperature_c", "input", 93, "s16", TENTH, "°C"),
    Point("derating", "input", 104),
    Point("fault", "input", 105),
    # On some storage models the high word of an energy that stays 0.
    Point("warning", "input", 112),
    Point("mode", "input", 118),
)
BATTERY = said_in(
    "A.2",
    Point("status", "input", 1000),
    Point("discharge_kw", "input", 1009, "u32", TENTH_W, "kW"),
    Point("charge_kw", "input", 1011, "u32", TENTH_W, "kW"),
    Point("battery_voltage_v", "input", 1013, "u16", TENTH, "V"),
    Point("soc", "input", 1014, "u16", 1, "%"),
    Point("import_kw", "input", 1021, "s32", TENTH_W, "kW"),
    Point("export_kw", "input", 1029, "s32", TENTH_W, "kW"),
    Point("load_kw", "input", 1037, "s32", TENTH_W, "kW"),
    Point("battery_temperature_c", "input", 1040, "s16", TENTH, "°C"),
    Point("import_kwh", "input", 1046, "u32", TENTH, "kWh"),
    Point("export_kwh", "input", 1050, "u32", TENTH, "kWh"),
    Point("discharge_kwh", "input", 1054, "u32", TENTH, "kWh"),
    Point("charge_kwh", "input", 1058, "u32", TENTH, "kWh"),
    Point("load_kwh", "input", 1062, "u32", TENTH, "kWh"),
)
BMS = said_in(
    "A.2",
    Point("bms_error", "input", 1085),
    Point("bms_soc", "input", 1086, "u16", 1, "%"),
    Point("bms_voltage_v", "input", 1087, "u16", 0.01, "V"),
    Point("bms_temperature_c", "input", 1089, "s16", TENTH, "°C"),
    # One current for both directions.
    Point("charge_limit", "input", 1090, "u16", 0.01, "A"),
    Point("soh", "input", 1096, "u16", 1, "%"),
    Point("bms_warning", "input", 1099),
)
TEMPERATURE_WINDOWS = said_in(
    "A.2",
    Point("discharge_coldest", "holding", 1009),
    Point("discharge_hottest", "holding", 1010),
    Point("charge_coldest", "holding", 1011),
    Point("charge_hottest", "holding", 1012),
)
SETTINGS = said_in(
    "A.2",
    Point("reserve_soc", "holding", 608, "u16", 1, "%", EEPROM),
    Point("metering_device", "holding", 533),
    Point("grid_sensor", "holding", 1037),
    Point("discharge_rate", "holding", 1070, "u16", 1, "%", EEPROM),
    Point("discharge_stop_soc", "holding", 1071, "u16", 1, "%", EEPROM),
    *slots("grid_first", 1080, 3),
    Point("charge_rate", "holding", 1090, "u16", 1, "%", EEPROM),
    Point("charge_stop_soc", "holding", 1091, "u16", 1, "%", EEPROM),
    Point("ac_charge", "holding", 1092, memory=EEPROM),
    *slots("battery_first", 1100, 3),
)
ABSENT = {
    "discharge_limit": "1090 is the current limit for both directions",
    "charge_allowed": "follows from the temperature windows 1009-1012 and from 1090",
}

TABLE = Table(
    "sph", (*IDENTITY, *PLANT, *BATTERY, *BMS, *EXPORT_LIMIT, *CLOCK, *TEMPERATURE_WINDOWS, *SETTINGS), ABSENT
)
