"""System overview: what the house does now, and what that saves."""

from .board import Board, Row
from .panels import (
    BATTERY,
    CHARGING,
    EXPORTING,
    GREEN,
    GRID,
    HEAT,
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
)
from .questions import BY_DAY, OF_BASELINE, SINCE_BEGUN, WEEK, ask, of_each_battery

CURRENCY = "suffix:{currency}"
PER_KWH = "suffix:{currency}/kWh"
PRICE_STEPS = ((None, GREEN), (2.0, YELLOW), (4.0, ORANGE), (6.0, RED))
SAVED_STEPS = ((None, RED), (0.0, GREEN))
SHARES = ((None, ORANGE), (0.4, YELLOW), (0.7, GREEN))
SOC_STEPS = ((None, RED), (0.2, ORANGE), (0.4, YELLOW), (0.6, GREEN))
DETAILS = "/d/pems-{}/?${{__url_time_range}}&${{site:queryparam}}"


def link(name: str) -> tuple[tuple[str, str], ...]:
    return ((f"PEMS {name}", DETAILS.format(name)),)


def saved(period: str) -> object:
    newest = ask("savings", "last saved", where=[f"\"period\" = '{period}'", OF_BASELINE], by=())
    said = {"day": "today", "week": "this week", "month": "this month"}[period]
    about = "Bill of the chosen baseline less the real one, as far as the period has come."
    return numbers(f"Saved {said}", [newest], CURRENCY, about, steps=SAVED_STEPS, back=SINCE_BEGUN[period], decimals=0)


def overview() -> Board:
    now = Row(
        4,
        [
            numbers(
                "Rooms heated now",
                [ask("flows", "last heating_kw", by=())],
                "kwatt",
                "Power of all heaters that are on.",
                steps=((None, HOUSE), (0.1, HEAT)),
                back="30m",
                decimals=1,
                links=link("heating"),
            ),
            numbers(
                "Battery",
                [of_each_battery("last status_code")],
                "none",
                "What the battery does now.",
                codes=CHARGING,
                back="30m",
                links=link("battery"),
            ),
            numbers("Inverter mode", [of_each_battery("last mode_code")], "none", codes=MODES, back="30m"),
            numbers(
                "Feeding in",
                [ask("export", "last state_code", by=())],
                "none",
                codes=EXPORTING,
                back="30m",
                links=link("export"),
            ),
            numbers(
                "Price now",
                [ask("prices", "last import_price_per_kwh", by=())],
                PER_KWH,
                "What a kWh from the grid costs, with fees and tax.",
                steps=PRICE_STEPS,
                back="30m",
                decimals=2,
            ),
            numbers(
                "Alerts in force",
                [ask("system", ("last alerts_critical + last alerts_warning", "alerts"), by=())],
                "none",
                "Warnings and critical alerts.",
                steps=((None, GREEN), (1.0, ORANGE)),
                back="30m",
                links=link("performance"),
            ),
        ],
    )
    money = Row(
        4,
        [
            saved("day"),
            saved("week"),
            saved("month"),
            numbers(
                "Bill today",
                [ask("money", "last bill", where=["\"period\" = 'day'"], by=())],
                CURRENCY,
                "Import less feed-in at their prices.",
                back=SINCE_BEGUN["day"],
                decimals=0,
            ),
            dial(
                "Self-consumption",
                [ask("flows", ("1 - sum export_kwh / sum pv_kwh", "self-consumption"), by=())],
                "percentunit",
                SHARES,
                "Share of the PV energy that was not fed in, over the time shown.",
                decimals=0,
            ),
            dial(
                "Self-sufficiency",
                [ask("flows", ("1 - sum import_kwh / sum load_kwh", "self-sufficiency"), by=())],
                "percentunit",
                SHARES,
                "Share of the load that did not come from the grid, over the time shown.",
                decimals=0,
            ),
        ],
        "Money",
    )
    flows = Row(
        9,
        [
            lines(
                "Power",
                [
                    ask("flows", f"mean {field}", called=name)
                    for field, name in (
                        ("pv_kw", "PV"),
                        ("load_kw", "house"),
                        ("import_kw", "from the grid"),
                        ("export_kw", "into the grid"),
                    )
                ],
                "kwatt",
                colours={"PV": SUN, "house": HOUSE, "from the grid": GRID, "into the grid": SOLD},
                lowest=0,
                least="1m",
            ),
            lines(
                "Price and state of charge",
                [
                    ask("prices", "mean import_price_per_kwh", called="import price"),
                    ask("prices", "mean feed_in_price_per_kwh", called="feed-in price"),
                    ask("battery", "mean soc", called="state of charge"),
                ],
                PER_KWH,
                colours={"import price": GRID, "feed-in price": SOLD, "state of charge": BATTERY},
                right={"state of charge": "percentunit"},
                stepped=True,
                least="1m",
            ),
        ],
        "Flows",
    )
    days = Row(
        8,
        [
            lines(
                "Energy by day",
                [
                    ask("flows", f"sum {field}", by=[BY_DAY], called=name)
                    for field, name in (
                        ("pv_kwh", "PV"),
                        ("load_kwh", "house"),
                        ("import_kwh", "from the grid"),
                        ("export_kwh", "into the grid"),
                    )
                ],
                "kwatth",
                colours={"PV": SUN, "house": HOUSE, "from the grid": GRID, "into the grid": SOLD},
                bars=True,
                lowest=0,
                back=WEEK,
            ),
            lines(
                "Bill and savings by day",
                [
                    ask("money", "last bill", where=["\"period\" = 'day'"], by=[BY_DAY], called="bill"),
                    ask(
                        "savings",
                        "last saved",
                        where=["\"period\" = 'day'", OF_BASELINE],
                        by=[BY_DAY],
                        called="saved",
                    ),
                ],
                CURRENCY,
                colours={"bill": GRID, "saved": GREEN},
                bars=True,
                back=WEEK,
            ),
        ],
        "Last seven days",
    )
    return Board(
        "overview",
        "PEMS: system overview",
        "What the house does now, what it costs, and what that saves.",
        "24h",
        [Row(now.height, now.panels, "Now"), money, flows, days],
        with_baseline=True,
    )
