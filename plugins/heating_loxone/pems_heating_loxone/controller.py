"""What an intelligent room controller says about its room (protocols C.3, IRoomControllerV2)."""

import json
from collections.abc import Collection, Mapping, Sequence

from .values import Unreadable, number, switch

WINDOW = 2
"""Of overrideReason."""
AUTOMATIC = (0, 1, 2)
"""Of operatingMode; the others are manual or off."""
SAME_END_S = 2


def window_open(place: str, states: Mapping[str, object]) -> bool | None:
    """Whether a window is open; None if it does not say.

    :raises Unreadable: if it says something else.
    """
    told = []
    if "openWindow" in states:
        told.append(switch(f"{place}.openWindow", states["openWindow"]))
    if "overrideReason" in states:
        told.append(number(f"{place}.overrideReason", states["overrideReason"]) == WINDOW)
    return any(told) if told else None


def locked(place: str, states: Mapping[str, object]) -> bool | None:
    """Whether it is locked, as 1 or as `{"locked": 1}`; None if it does not say.

    :raises Unreadable: if it says something else.
    """
    said = states.get("jLocked")
    if isinstance(said, str) and said.lstrip().startswith("{"):
        said = _json(f"{place}.jLocked", said)
    if isinstance(said, Mapping):
        said = said.get("locked", 0)
    if said is None or said == "":
        return None
    return number(f"{place}.jLocked", said) != 0


def foreign_override(place: str, states: Mapping[str, object], own_ends: Collection[int], now_s: int) -> bool | None:
    """Whether somebody else has overridden the schedule; None if it does not say.

    :param own_ends: when the overrides end that PEMS has made [s since 2009-01-01].
    :raises Unreadable: if it says something else.
    """
    ends = _ends_to_come(place, states, now_s)
    return None if ends is None else any(not _is_one_of(end, own_ends) for end in ends)


def own_override(place: str, states: Mapping[str, object], own_ends: Collection[int], now_s: int) -> bool | None:
    """Whether an override of PEMS's own holds; None if it does not say. Parameters and errors as above."""
    ends = _ends_to_come(place, states, now_s)
    return None if ends is None else any(_is_one_of(end, own_ends) for end in ends)


def _ends_to_come(place: str, states: Mapping[str, object], now_s: int) -> Sequence[float] | None:
    """When the overrides end that hold now; 0 without end."""
    said = states.get("overrideEntries")
    if isinstance(said, str):
        said = _json(f"{place}.overrideEntries", said) if said.strip() else []
    if said is None:
        return None
    if not isinstance(said, list) or not all(isinstance(entry, Mapping) for entry in said):
        raise Unreadable(f"{place}.overrideEntries", said, "a list of entries")
    ends = [number(f"{place}.overrideEntries.end", entry.get("end", 0) or 0) for entry in said]
    return [end for end in ends if end == 0 or end > now_s]


def _is_one_of(end: float, own_ends: Collection[int]) -> bool:
    return any(abs(end - own) <= SAME_END_S for own in own_ends)


class OperatingMode:
    """Follows whether somebody has taken a room from its automatic mode, or changed that mode."""

    def __init__(self) -> None:
        self._usual: float | None = None

    def changed(self, place: str, states: Mapping[str, object]) -> bool | None:
        """None if it does not say.

        :raises Unreadable: if it says something else.
        """
        if "operatingMode" not in states:
            return None
        mode = number(f"{place}.operatingMode", states["operatingMode"])
        if mode not in AUTOMATIC:
            return True
        if self._usual is None:
            self._usual = mode
        return mode != self._usual


def _json(place: str, text: str) -> object:
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable(place, text, "JSON") from None
    return said
