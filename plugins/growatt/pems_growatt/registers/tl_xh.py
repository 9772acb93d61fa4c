"""MIN, MOD and MID TL-XH: the 3000 range (A.4)."""

from .points import CLOCK, EEPROM, EXPORT_LIMIT, IDENTITY, TENTH, TENTH_W, Point, Table, said_in

PLANT = said_in(
    "A.4",
    Point("status", "input", 3000),
    Point("pv_kw", "input", 3001, "u32", TENTH_W, "kW"),
    Point("ac_kw", "input", 3023, "s32", TENTH_W, "kW"),
    Point("frequency_hz", "input", 3025, "u16", 0.01, "Hz"),
    Point("import_kw", "input", 3041, "s32", TENTH_W, "kW"),
    Point("export_kw", "input", 3043, "s32", TENTH_W, "kW"),
    Point("load_kw", "input", 3045, "s32", TENTH_W, "kW"),
    Point("pv_kwh", "input", 3053, "u32", TENTH, "kWh"),
    Point("import_kwh", "input", 3069, "u32", TENTH, "kWh"),
    Point("export_kwh", "input", 3073, "u32", TENTH, "kWh"),
    Point("load_kwh", "input", 3077, "u32", TENTH, "kWh"),
    Point("derating", "input", 3086),
    Point("inverter_temperature_c", "input", 3093, "s16", TENTH, "°C"),
    Point("fault", "input", 3105),
    Point("warning", "input", 3106),
)
BATTERY = said_in(
    "A.4",
    Point("discharge_kwh", "input", 3127, "u32", TENTH, "kWh"),
    Point("charge_kwh", "input", 3131, "u32", TENTH, "kWh"),
    Point("mode", "input", 3144),
    Point("battery_derating", "input", 3165),
    # 3169 wraps above 655.35 V, and 3176 and 3177 are the converter's temperatures, not the battery's.
    Point("soc", "input", 3171, "u16", 1, "%"),
    Point("discharge_kw", "input", 3178, "u32", TENTH_W, "kW"),
    Point("charge_kw", "input", 3180, "u32", TENTH_W, "kW"),
    Point("charge_allowed", "input", 3187),
    Point("bms_requests", "input", 3211),
    Point("bms_soc", "input", 3215, "u16", 1, "%"),
    Point("battery_voltage_v", "input", 3216, "u16", 0.01, "V"),
    Point("battery_temperature_c", "input", 3218, "s16", TENTH, "°C"),
    Point("charge_limit", "input", 3219, "u16", 0.01, "A"),
    Point("discharge_limit", "input", 3220, "u16", 0.01, "A"),
    Point("soh", "input", 3222, "u16", 1, "%"),
)
SLOT_STARTS = (*range(3038, 3046, 2), *range(3050, 3060, 2))
"""First words of slots 1 to 9; the word after each is its end."""
SETTINGS = said_in(
    "A.4",
    Point("metering_device", "holding", 533),
    Point("discharge_rate", "holding", 3036, "u16", 1, "%", EEPROM),
    Point("discharge_stop_soc", "holding", 3037, "u16", 1, "%", EEPROM),
    *(
        Point(f"slot{number}", "holding", address, "pair", 1, "h:m", EEPROM)
        for number, address in enumerate(SLOT_STARTS, start=1)
    ),
    Point("charge_rate", "holding", 3047, "u16", 1, "%", EEPROM),
    Point("charge_stop_soc", "holding", 3048, "u16", 1, "%", EEPROM),
    Point("ac_charge", "holding", 3049, memory=EEPROM),
    Point("reserve_soc", "holding", 3067, "u16", 1, "%", EEPROM),
    Point("reserve_soc_newer", "holding", 3310, "u16", 1, "%", EEPROM),
    Point("grid_charge_stop_soc", "holding", 3312, "u16", 1, "%", EEPROM),
)
TEMPERATURE_WINDOWS = said_in(
    "A.4",
    Point("discharge_coldest", "holding", 3031),
    Point("discharge_hottest", "holding", 3032),
    Point("charge_coldest", "holding", 3033),
    Point("charge_hottest", "holding", 3034),
)

TABLE = Table("tl_xh", (*IDENTITY, *PLANT, *BATTERY, *EXPORT_LIMIT, *CLOCK, *TEMPERATURE_WINDOWS, *SETTINGS), absent={})
