"""All dashboards, and the files that Grafana reads."""

from collections.abc import Mapping
from pathlib import Path

from . import watchers
from .battery import battery
from .board import Board
from .export import export
from .heating import heating
from .overview import overview
from .performance import performance

FOLDER = Path(__file__).parent
CURRENCY, ZONE = "CZK", "Europe/Prague"
"""Of the example house."""


def boards() -> list[Board]:
    return [overview(), battery(), heating(), export(), performance()]


def files(currency: str = CURRENCY, zone: str = ZONE) -> Mapping[str, str]:
    """Text of each generated file, by its path below this folder.

    :param currency: of the house; units of panels cannot be variables.
    :param zone: of the house, whose days count; a dashboard's own cannot be one either.
    """
    made = {f"dashboards/{board.name}.json": _of_house(board.text(), currency, zone) for board in boards()}
    return {**made, "provisioning/alerting/pems.json": watchers.text()}


def _of_house(text: str, currency: str, zone: str) -> str:
    return text.replace("{currency}", currency).replace("{zone}", zone)
