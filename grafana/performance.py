"""How well PEMS does: commands, plans, forecasts, and its own health."""

from .board import Board, Row
from .overview import CURRENCY
from .panels import (
    BLUE,
    GREEN,
    GREY,
    GRID,
    HEAT,
    ORANGE,
    PURPLE,
    RED,
    RUNGS,
    YELLOW,
    bars,
    lines,
    log,
    numbers,
    timeline,
)
from .questions import BY_DAY, MONTH, SINCE_BEGUN, WEEK, ask

SUCCESS = ((None, RED), (0.9, ORANGE), (0.97, GREEN))
REGRET = {"forecast": BLUE, "model": PURPLE, "execution": ORANGE, "override": YELLOW}
HEALTHY = {0: ("unwell", RED), 1: ("well", GREEN)}


def error(series: str) -> list[str]:
    return [f"\"series\" = '{series}'"]


def performance() -> Board:
    now = Row(
        4,
        [
            numbers(
                "Commands carried out",
                [ask("commands", "mean success", by=())],
                "percentunit",
                "Share of the commands that were read back or acked, over the time shown.",
                steps=SUCCESS,
                decimals=1,
            ),
            numbers(
                "Answer, 95th percentile",
                [ask("commands", "percentile response_s:95", by=())],
                "s",
                steps=((None, GREEN), (5.0, YELLOW), (30.0, RED)),
                decimals=1,
            ),
            numbers(
                "Cost as planned",
                [ask("plan_reality", ("sum actual_cost / sum expected_cost", "achieved"), by=())],
                "percentunit",
                "Metered cost of the quarter hours divided by their planned cost, over the time shown. "
                "Near 100 %: the house does what is planned.",
                decimals=0,
            ),
            numbers(
                "Arbitrage today",
                [ask("money", "last arbitrage", where=["\"period\" = 'day'"], by=())],
                CURRENCY,
                "Gained by charging in cheap hours and discharging in dear ones.",
                steps=((None, RED), (0.0, GREEN)),
                decimals=1,
                back=SINCE_BEGUN["day"],
            ),
            numbers("Plans come from", [ask("optimizer", "last rung_code", by=())], "none", codes=RUNGS, back="6h"),
            numbers("PEMS is", [ask("system", "last healthy", by=())], "none", codes=HEALTHY, back="30m"),
        ],
    )
    strategy = Row(
        9,
        [
            lines(
                "Strategy: expected and achieved",
                [
                    ask("plan_reality", "sum expected_cost", by=["time($__interval)"], called="expected"),
                    ask("plan_reality", "sum actual_cost", by=["time($__interval)"], called="achieved"),
                ],
                CURRENCY,
                "Cost of the quarter hours as the plan had it that held at their start, and as metered.",
                colours={"expected": GREY, "achieved": BLUE},
                least="1h",
            ),
            lines(
                "What was gained by day",
                [
                    ask("money", f"last {field}", where=["\"period\" = 'day'"], by=[BY_DAY], called=name)
                    for field, name in (
                        ("arbitrage", "arbitrage"),
                        ("heating_shift", "heating shifted"),
                        ("export_revenue", "feeding in"),
                    )
                ],
                CURRENCY,
                colours={"arbitrage": YELLOW, "heating shifted": HEAT, "feeding in": GREEN},
                bars=True,
                back=WEEK,
            ),
        ],
        "Strategy",
    )
    regret = Row(
        8,
        [
            (
                lines(
                    "Dearer than the best possible, by day",
                    [
                        ask(
                            "money",
                            f"last regret_{part}",
                            where=["\"period\" = 'day'"],
                            by=[BY_DAY],
                            called=part,
                        )
                        for part in REGRET
                    ],
                    CURRENCY,
                    "Why each day cost more than the best possible course of it: forecasts that were wrong, a house "
                    "that is another than its model, devices that did something else, and what people set by hand.",
                    colours=REGRET,
                    bars=True,
                    stacked=True,
                    back=MONTH,
                    nothing="worked out by night, for the day before",
                ),
                18,
            ),
            (
                numbers(
                    "Dearer than the best possible, last day",
                    [ask("money", "last regret", where=["\"period\" = 'day'"], by=())],
                    CURRENCY,
                    "The four causes together, of the last day for which they are known.",
                    steps=((None, GREEN), (20.0, YELLOW), (50.0, ORANGE)),
                    decimals=1,
                    back="30d",
                    nothing="not known yet",
                ),
                6,
            ),
        ],
        "Regret",
    )
    commands = Row(
        9,
        [
            (
                bars(
                    "Carried out, by kind",
                    [ask("commands", "mean success", by=["kind"], called="$tag_kind")],
                    "percentunit",
                    steps=SUCCESS,
                    decimals=1,
                ),
                6,
            ),
            (
                lines(
                    "Response times",
                    [
                        ask("commands", "mean response_s", by=["time($__interval)", "kind"], called="$tag_kind"),
                        ask("commands", "max response_s", called="slowest"),
                    ],
                    "s",
                    lowest=0,
                    colours={"slowest": RED},
                    least="1h",
                ),
                9,
            ),
            (
                log(
                    "Commands that failed",
                    [
                        ask(
                            "commands",
                            "device",
                            "control",
                            "stage",
                            "reason",
                            where=['"success" = 0'],
                            by=(),
                            tail="ORDER BY time DESC LIMIT 100",
                            table=True,
                        )
                    ],
                    nothing="none",
                    back="7d",
                ),
                9,
            ),
        ],
        "Commands",
    )
    plans = Row(
        8,
        [
            lines(
                "Time for a plan",
                [
                    ask("optimizer", "mean solve_s", called="search"),
                    ask("optimizer", "mean cycle_s", called="whole cycle"),
                ],
                "s",
                colours={"search": BLUE, "whole cycle": GREY},
                lowest=0,
                least="15m",
            ),
            lines(
                "Gap",
                [ask("optimizer", "mean gap", called="gap")],
                CURRENCY,
                "By how much a plan can be dearer than the best possible one.",
                colours={"gap": ORANGE},
                lowest=0,
                decimals=2,
                least="15m",
            ),
            timeline(
                "Plans come from",
                [ask("optimizer", "max rung_code", by=["time($__interval)"], called="plan")],
                RUNGS,
                least="15m",
            ),
        ],
        "Plans",
    )
    forecasts = Row(
        8,
        [
            lines(
                title,
                [
                    ask(
                        "forecast_errors",
                        "mean absolute_error",
                        where=error(series),
                        by=["time($__interval)", "ahead_h"],
                        called="$tag_ahead_h h before",
                    )
                ],
                unit,
                "Mean absolute error of the quarter hours, by how long before it was forecast.",
                lowest=0,
                decimals=2,
                least="1h",
            )
            for title, series, unit in (
                ("Error of the PV forecast", "pv_kw", "kwatt"),
                ("Error of the load forecast", "base_load_kw", "kwatt"),
                ("Error of the temperature forecast", "outdoor_temperature_c", "celsius"),
            )
        ],
        "Forecasts",
    )
    system = Row(
        8,
        [
            lines(
                "Memory and processor",
                [
                    ask("system", "mean memory_mb", called="memory"),
                    ask("system", "mean cpu_share", called="processor"),
                ],
                "decmbytes",
                colours={"memory": BLUE, "processor": ORANGE},
                right={"processor": "percentunit"},
                lowest=0,
                least="1m",
            ),
            lines(
                "Age of readings",
                [ask("data_age", "max newest_s", by=["time($__interval)", "device"], called="$tag_device")],
                "s",
                steps=((None, GREEN), (300.0, RED)),
                lowest=0,
                least="1m",
            ),
            lines(
                "Waiting for the database, and how late the loop was",
                [
                    ask("system", "max points_waiting", called="points"),
                    ask("system", "max loop_delay_s", called="late"),
                ],
                "none",
                colours={"points": GRID, "late": GREY},
                right={"late": "s"},
                lowest=0,
                least="1m",
            ),
        ],
        "PEMS itself",
    )
    events = Row(
        9,
        [
            log(
                "Alerts and overrides",
                [
                    ask(
                        "events",
                        "kind",
                        "severity",
                        "place",
                        "phase",
                        "text",
                        by=(),
                        tail="ORDER BY time DESC LIMIT 200",
                        table=True,
                    )
                ],
                back="7d",
                nothing="none in the last seven days",
            )
        ],
        "Events",
    )
    return Board(
        "performance",
        "PEMS: system performance",
        "Commands, strategy, plans, forecasts, and the health of PEMS itself.",
        "24h",
        [Row(now.height, now.panels, "Now"), strategy, regret, commands, plans, forecasts, system, events],
    )
