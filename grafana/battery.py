"""Battery and inverter."""

from .board import Board, Row
from .overview import CURRENCY, PER_KWH, SOC_STEPS
from .panels import (
    BATTERY,
    BLUE,
    CHARGING,
    GREEN,
    GREY,
    GRID,
    HOUSE,
    MODES,
    ORANGE,
    RED,
    SOLD,
    SUN,
    YELLOW,
    dial,
    lines,
    numbers,
    timeline,
)
from .questions import BY_DAY, WEEK, ask, of_each_battery

GRID_CHARGING = {0: ("no", "#2c3235"), 1: ("from the grid", YELLOW)}
WAYS = (
    ("pv_to_load_kw", "PV to house", SUN),
    ("pv_to_battery_kw", "PV to battery", BATTERY),
    ("pv_to_grid_kw", "PV to grid", SOLD),
    ("battery_to_load_kw", "battery to house", HOUSE),
    ("battery_to_grid_kw", "battery to grid", "#8ab8ff"),
    ("grid_to_battery_kw", "grid to battery", ORANGE),
    ("grid_to_load_kw", "grid to house", GRID),
)


def battery() -> Board:
    now = Row(
        6,
        [
            (dial("State of charge", [of_each_battery("last soc")], "percentunit", SOC_STEPS, back="30m"), 5),
            (numbers("Charging", [of_each_battery("last status_code")], "none", codes=CHARGING, back="30m"), 5),
            (numbers("Mode", [of_each_battery("last mode_code")], "none", codes=MODES, back="30m"), 4),
            (
                numbers(
                    "Full cycles, last 24 h",
                    [ask("battery", "sum cycles", by=())],
                    "none",
                    "What was discharged, divided by the capacity.",
                    steps=((None, GREEN), (1.5, YELLOW), (2.5, RED)),
                    decimals=2,
                    back="24h",
                ),
                5,
            ),
            (
                numbers(
                    "Cells",
                    [of_each_battery("last temperature_c")],
                    "celsius",
                    steps=((None, BLUE), (5.0, GREEN), (35.0, ORANGE), (45.0, RED)),
                    decimals=1,
                    back="30m",
                ),
                5,
            ),
        ],
    )
    courses = Row(
        9,
        [
            lines(
                "State of charge, as planned and as it is",
                [
                    ask("battery", "mean soc", called="is"),
                    ask("battery", "mean planned_soc", called="planned"),
                    ask("prices", "mean import_price_per_kwh", called="import price"),
                ],
                "percentunit",
                colours={"is": BATTERY, "planned": GREY, "import price": GRID},
                right={"import price": PER_KWH},
                lowest=0,
                least="1m",
            ),
            lines(
                "Battery power",
                [
                    ask("battery", "mean charge_kw", called="charging"),
                    ask("battery", "mean discharge_kw", called="discharging"),
                    ask("battery", "mean grid_charge_kw", called="of it from the grid"),
                ],
                "kwatt",
                colours={"charging": BATTERY, "discharging": HOUSE, "of it from the grid": YELLOW},
                lowest=0,
                least="1m",
            ),
        ],
        "Course",
    )
    states = Row(
        5,
        [
            timeline(
                "Mode",
                [ask("battery", "last mode_code", by=["time($__interval)", "device"], called="$tag_device")],
                MODES,
                least="5m",
            ),
            timeline(
                "Charging from the grid",
                [ask("battery", "max grid_charging", by=["time($__interval)", "device"], called="$tag_device")],
                GRID_CHARGING,
                least="5m",
            ),
        ],
    )
    flow = Row(
        10,
        [
            lines(
                "From where to where",
                [ask("flows", f"mean {name}", called=called) for name, called, _ in WAYS],
                "kwatt",
                "PV goes to the house first, then to the battery, then to the grid.",
                colours={called: colour for _, called, colour in WAYS},
                stacked=True,
                lowest=0,
                least="5m",
            )
        ],
        "Power flow",
    )
    days = Row(
        8,
        [
            lines(
                "Full cycles by day",
                [ask("battery", "sum cycles", by=[BY_DAY], called="cycles")],
                "none",
                colours={"cycles": BATTERY},
                bars=True,
                lowest=0,
                decimals=2,
                back=WEEK,
            ),
            lines(
                "Energy by day",
                [
                    ask("battery", "sum charge_kwh", by=[BY_DAY], called="charged"),
                    ask("battery", "sum grid_charge_kwh", by=[BY_DAY], called="of it from the grid"),
                    ask("battery", "sum discharge_kwh", by=[BY_DAY], called="discharged"),
                ],
                "kwatth",
                colours={"charged": BATTERY, "of it from the grid": YELLOW, "discharged": HOUSE},
                bars=True,
                lowest=0,
                back=WEEK,
            ),
            lines(
                "Cost of charging from the grid by day",
                [ask("battery", "sum grid_charge_cost", by=[BY_DAY], called="cost")],
                CURRENCY,
                colours={"cost": YELLOW},
                bars=True,
                back=WEEK,
            ),
        ],
        "Last seven days",
    )
    return Board(
        "battery",
        "PEMS: battery and inverter",
        "State of charge, modes, charging from the grid, and where the power flows.",
        "24h",
        [Row(now.height, now.panels, "Now"), courses, states, flow, days],
    )
