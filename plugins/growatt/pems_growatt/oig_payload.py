"""JSON from bridges as it really comes: cut off, with numbers as text, with null and NaN (protocols E.5, 71)."""

import json
import re
from collections.abc import Mapping
from math import isfinite

NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,9})?")


class BadPayload(ValueError):
    """A payload, or a field of one, that cannot be used; the text names what was found and what is allowed."""


def json_object(payload: bytes) -> Mapping[str, object]:
    """The fields of a payload.

    :raises BadPayload: if it is no JSON object.
    """
    try:
        found = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadPayload(f"found {shown(payload)}; a JSON object is needed") from None
    if not isinstance(found, dict):
        raise BadPayload(f"found {shown(payload)}; a JSON object is needed")
    return found


def number(value: object) -> float:
    """A number, also one written as text.

    :raises BadPayload: if it is none, or not finite.

    >>> number("87"), number(3)
    (87.0, 3.0)
    """
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadPayload(f"found {shown(value)}; a number is needed")
    if (isinstance(value, float) and not isfinite(value)) or abs(value) > 1e15:
        raise BadPayload(f"found {shown(value)}; a finite number is needed")
    return float(value)


def whole(value: object, highest: int = 0xFFFF) -> int:
    """A whole number from 0 to `highest`; true and false are 1 and 0.

    :raises BadPayload: if it is none.
    """
    found = float(value) if isinstance(value, bool) else number(value)
    if not found.is_integer() or not 0 <= found <= highest:
        raise BadPayload(f"found {shown(value)}; a whole number from 0 to {highest} is needed")
    return int(found)


def within(value: float, lowest: float, highest: float) -> float:
    """The value.

    :raises BadPayload: if it is out of range.
    """
    if not lowest <= value <= highest:
        raise BadPayload(f"found {value:g}; {lowest:g} to {highest:g} is allowed")
    return value


def shown(value: object) -> str:
    """A value for a message: never longer than a line."""
    text = repr(value) if not isinstance(value, bytes) else repr(value[:60])
    return text if len(text) <= 60 else text[:57] + "..."
