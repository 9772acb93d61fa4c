"""Numbers and switches as a Miniserver, its plugins and its gateways write them (protocols C.1, trap 88)."""

import json
import math
import re
from collections.abc import Mapping

Parsed = float | bool

_NUMBER = re.compile(
    r"\s*([+-]?\d{1,12}(?:[.,]\d{1,12})?(?:[eE][+-]?\d{1,2})?)\s*([^\d\s].{0,15})?\s*", re.ASCII | re.DOTALL
)
_ON = frozenset({"1", "on", "true", "yes"})
_OFF = frozenset({"0", "off", "false", "no"})
UNITS: Mapping[str, Mapping[str, float]] = {
    "°C": {"": 1.0, "°": 1.0, "°c": 1.0, "c": 1.0, "celsius": 1.0},
    "kW": {"": 1.0, "kw": 1.0, "w": 0.001},
    "kWh": {"": 1.0, "kwh": 1.0, "wh": 0.001},
    "": {"": 1.0},
}
"""By the unit of a reading: what may stand behind a number, in small letters, and its factor."""


class Unreadable(ValueError):
    """Something heard that means nothing here; the message has its place, what was found and what is allowed."""

    def __init__(self, place: str, found: object, allowed: str) -> None:
        text = repr(found)
        super().__init__(f"{place}: found {text if len(text) <= 60 else text[:57] + '...'}; allowed: {allowed}")


def number(place: str, value: object, unit: str = "") -> float:
    """A finite number in `unit`; text may have a decimal comma and a unit behind it.

    >>> number("kitchen", "21,5 °C", "°C")
    21.5

    :raises Unreadable: if it is none.
    """
    allowed = f"a number{f' in {unit}' if unit else ''}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(place, value, allowed)
    matched = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    factor = UNITS[unit].get((matched[2] or "").strip().lower()) if matched else None
    if matched is None or factor is None:
        raise Unreadable(place, value, allowed)
    return _finite(place, float(matched[1].replace(",", ".")) * factor, allowed)


def _finite(place: str, value: float, allowed: str) -> float:
    try:
        finite = float(value)
    except OverflowError:
        raise Unreadable(place, value, allowed) from None
    if not math.isfinite(finite):
        raise Unreadable(place, value, f"{allowed}, finite")
    return finite


def switch(place: str, value: object) -> bool:
    """On or off, in words or as 1 and 0.

    :raises Unreadable: if it is neither.
    """
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int | float) else ""
    word = word.removesuffix(".0")
    if word in _ON or word in _OFF:
        return word in _ON
    raise Unreadable(place, value, "on, off, 1 or 0")


def json_object(place: str, text: str) -> Mapping[str, object]:
    """A JSON object.

    :raises Unreadable: if it is none.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable(place, text, "a JSON object") from None
    if not isinstance(said, dict):
        raise Unreadable(place, text, "a JSON object")
    return said
