"""Feeding in."""

from .board import Board, Row
from .overview import CURRENCY, PER_KWH
from .panels import EXPORTING, GREEN, GREY, ORANGE, RED, SOLD, SUN, lines, log, numbers, timeline
from .questions import BY_DAY, WEEK, ask

ALLOWED = {0: ("no", RED), 1: ("yes", GREEN)}


def export() -> Board:
    now = Row(
        4,
        [
            (numbers("Feeding in", [ask("export", "last state_code", by=())], "none", codes=EXPORTING, back="30m"), 5),
            (
                numbers(
                    "Power", [ask("export", "last export_kw", by=())], "kwatt", decimals=2, back="30m", colour=SOLD
                ),
                5,
            ),
            (
                numbers(
                    "Feed-in price",
                    [ask("export", "last price_per_kwh", by=())],
                    PER_KWH,
                    steps=((None, RED), (0.0, ORANGE), (1.0, GREEN)),
                    decimals=2,
                    back="30m",
                ),
                5,
            ),
            (
                numbers(
                    "Worth it from",
                    [ask("export", "last threshold_per_kwh", by=())],
                    PER_KWH,
                    "What one more kWh in the house is worth, or the price that the house file names.",
                    decimals=2,
                    back="30m",
                ),
                4,
            ),
            (
                numbers(
                    "Revenue, last 24 h",
                    [ask("export", "sum revenue", by=())],
                    CURRENCY,
                    steps=((None, RED), (0.0, GREEN)),
                    decimals=1,
                    back="24h",
                ),
                5,
            ),
        ],
    )
    price = Row(
        9,
        [
            lines(
                "Price against threshold",
                [
                    ask("export", "mean price_per_kwh", called="feed-in price"),
                    ask("export", "mean threshold_per_kwh", called="worth it from"),
                    ask("export", "mean export_kw", called="fed in"),
                ],
                PER_KWH,
                "Below the threshold a kWh is worth more in the house.",
                colours={"feed-in price": SOLD, "worth it from": GREY, "fed in": SUN},
                right={"fed in": "kwatt"},
                stepped=True,
                least="5m",
            )
        ],
        "Price",
    )
    state = Row(
        4,
        [
            timeline(
                "State",
                [ask("export", "last state_code", by=["time($__interval)", "device"], called="$tag_device")],
                EXPORTING,
                least="5m",
            ),
            timeline(
                "Allowed",
                [ask("export", "last enabled", by=["time($__interval)", "device"], called="$tag_device")],
                ALLOWED,
                least="5m",
            ),
        ],
    )
    days = Row(
        8,
        [
            lines(
                "Revenue by day",
                [ask("export", "sum revenue", by=[BY_DAY], called="revenue")],
                CURRENCY,
                colours={"revenue": GREEN},
                bars=True,
                back=WEEK,
            ),
            lines(
                "Fed in by day, of PV",
                [
                    ask("flows", "sum pv_kwh", by=[BY_DAY], called="PV"),
                    ask("export", "sum export_kwh", by=[BY_DAY], called="fed in"),
                ],
                "kwatth",
                colours={"PV": SUN, "fed in": SOLD},
                bars=True,
                lowest=0,
                back=WEEK,
            ),
        ],
        "Last seven days",
    )
    reasons = Row(
        10,
        [
            log(
                "Reasons",
                [
                    ask(
                        "decisions",
                        "device",
                        "control",
                        "value",
                        ("feed_in_price_per_kwh", "feed-in price"),
                        "saves",
                        "reason",
                        where=['"control" =~ /^(grid_export|mode)$/'],
                        by=(),
                        tail="ORDER BY time DESC LIMIT 200",
                        table=True,
                    )
                ],
                "Why feeding in was switched, and the mode that goes with it.",
                units={"feed-in price": PER_KWH, "saves": CURRENCY},
            )
        ],
        "Why",
    )
    return Board(
        "export",
        "PEMS: grid export",
        "When the house feeds in, at which price, what that earns, and why.",
        "24h",
        [Row(now.height, now.panels, "Now"), price, state, days, reasons],
    )
