"""Heating of the rooms."""

from .board import Board, Row
from .overview import CURRENCY, PER_KWH
from .panels import BLUE, GREEN, GREY, GRID, HEAT, ON_OFF, RED, YELLOW, bars, lines, log, numbers, timeline
from .questions import BY_DAY, OF_ROOM, WEEK, ask

BY_ROOM = ["time($__interval)", "room"]
KELVIN_HOURS = "suffix:K·h"
PREHEATING = {0: ("no", "#2c3235"), 1: ("pre-heating", YELLOW)}


def heating() -> Board:
    now = Row(
        4,
        [
            numbers(
                "Heaters now",
                [ask("flows", "last heating_kw", by=())],
                "kwatt",
                steps=((None, BLUE), (0.1, HEAT)),
                decimals=1,
                back="30m",
            ),
            numbers(
                "Energy, last 24 h",
                [ask("flows", "sum heating_kwh", by=())],
                "kwatth",
                decimals=1,
                back="24h",
            ),
            numbers(
                "Discomfort, last 24 h",
                [ask("heating", "sum violation_kh", where=[OF_ROOM], by=())],
                KELVIN_HOURS,
                "K outside the comfort band times hours, of the chosen rooms together [K·h].",
                steps=((None, GREEN), (2.0, YELLOW), (10.0, RED)),
                decimals=2,
                back="24h",
            ),
            numbers(
                "Outside",
                [ask("flows", "last outdoor_temperature_c", by=())],
                "celsius",
                decimals=1,
                back="2h",
            ),
        ],
    )
    grid = Row(
        15,
        [
            timeline(
                "Relays",
                [ask("heating", "last relay", where=[OF_ROOM], by=BY_ROOM, called="$tag_room")],
                ON_OFF,
                "One row for each room.",
                least="5m",
            )
        ],
        "Relays of all rooms",
    )
    preheating = Row(
        13,
        [
            timeline(
                "Pre-heating",
                [ask("heating", "max preheating", where=[OF_ROOM], by=BY_ROOM, called="$tag_room")],
                PREHEATING,
                "The heater is on though the room is at or above its schedule: heat is stored for later.",
                least="5m",
            )
        ],
    )
    rooms = Row(
        8,
        [
            (
                lines(
                    "$room",
                    [
                        ask("heating", "mean temperature_c", where=[OF_ROOM], called="is"),
                        ask("heating", "mean setpoint_c", where=[OF_ROOM], called="setpoint"),
                        ask("heating", "mean low_c", where=[OF_ROOM], called="band from"),
                        ask("heating", "mean high_c", where=[OF_ROOM], called="band to"),
                    ],
                    "celsius",
                    colours={"is": HEAT, "setpoint": BLUE, "band from": GREY, "band to": GREY},
                    decimals=1,
                    least="5m",
                    repeat="room",
                ),
                8,
            )
        ],
        "Each room against its setpoint",
    )
    energy = Row(
        12,
        [
            bars(
                "Energy by room, over the time shown",
                [ask("heating", "sum heater_kwh", where=[OF_ROOM], by=["room"], called="$tag_room")],
                "kwatth",
                colour=HEAT,
                decimals=1,
            ),
            bars(
                "Discomfort by room, over the time shown",
                [ask("heating", "sum violation_kh", where=[OF_ROOM], by=["room"], called="$tag_room")],
                KELVIN_HOURS,
                "K outside the comfort band times hours [K·h].",
                steps=((None, GREEN), (1.0, YELLOW), (5.0, RED)),
                decimals=2,
            ),
            lines(
                "Energy by day",
                [
                    ask("flows", "sum heating_kwh", by=[BY_DAY], called="heating"),
                    ask("heating", "sum heater_cost", by=[BY_DAY], called="at import prices"),
                ],
                "kwatth",
                colours={"heating": HEAT, "at import prices": GRID},
                right={"at import prices": CURRENCY},
                bars=True,
                lowest=0,
                back=WEEK,
            ),
        ],
        "Energy and comfort",
    )
    changes = Row(
        10,
        [
            (
                log(
                    "Setpoint changes, with the price",
                    [
                        ask(
                            "decisions",
                            "device",
                            "control",
                            ("number", "setpoint"),
                            ("import_price_per_kwh", "import price"),
                            "reason",
                            where=['"control" =~ /_setpoint_c$/'],
                            by=(),
                            tail="ORDER BY time DESC LIMIT 200",
                            table=True,
                        )
                    ],
                    units={"setpoint": "celsius", "import price": PER_KWH},
                ),
                14,
            ),
            (
                log(
                    "Comfort alerts",
                    [
                        ask(
                            "events",
                            "severity",
                            "place",
                            "phase",
                            "text",
                            where=["\"kind\" = 'alert'", '"place" =~ /^heating/'],
                            by=(),
                            tail="ORDER BY time DESC LIMIT 100",
                            table=True,
                        )
                    ],
                    back="7d",
                    nothing="none in the last seven days",
                ),
                10,
            ),
        ],
        "What was decided",
    )
    return Board(
        "heating",
        "PEMS: heating",
        "Relays, temperatures against setpoints, pre-heating, energy and comfort.",
        "24h",
        [Row(now.height, now.panels, "Now"), grid, preheating, energy, changes, rooms],
        with_rooms=True,
    )
