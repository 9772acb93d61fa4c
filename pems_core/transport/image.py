"""The process image: what several transports heard, made into the readings of one cycle."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pems_core.domain import Alert, Quality, Reading, Readings, Severity

from .power_balance import POWERS, PowerBalance

SITE_ALIASES: Mapping[str, str] = {
    f"site/{flow}": f"inverter/{flow}" for flow in ("import_kw", "export_kw", "pv_kw", "load_kw")
}
"""Points that a house without meters of its own takes from its inverter."""

POSSIBLE: Mapping[str, tuple[float, float]] = {
    "share": (0.0, 1.0),
    "°C": (-60.0, 120.0),
    "kW": (0.0, 500.0),
    "kWh": (0.0, math.inf),
    "W/m2": (-20.0, 2000.0),
}
"""Least and greatest value by unit that a house can have. Flows are never negative; no part of a household has more
than 500 kW; pyranometers read a few W/m2 below zero at night."""

AHEAD = timedelta(seconds=60)
"""How far the clock of a device may be ahead."""

_RANK = {Quality.GOOD: 0, Quality.STALE: 1, Quality.SUSPECT: 2, Quality.MISSING: 3}


class ProcessImage:
    """Takes the newest good reading of each point, and tells what it does not believe."""

    def __init__(
        self,
        aliases: Mapping[str, str] = SITE_ALIASES,
        possible: Mapping[str, tuple[float, float]] = POSSIBLE,
        inverters: Sequence[str] = ("inverter",),
    ) -> None:
        """
        :param aliases: point to the one it is taken from if nobody gives it.
        :param possible: least and greatest value by unit.
        :param inverters: devices whose powers must balance.
        """
        self._aliases = aliases
        self._possible = possible
        self._balances = {name: PowerBalance() for name in inverters}
        self._good: dict[str, Reading] = {}
        self._alerts: dict[str, Alert] = {}

    def take(self, now: datetime, sources: Iterable[Mapping[str, Reading]]) -> Readings:
        """The readings now.

        An impossible value is left out for the last good one, whose true age it keeps; without one it is `suspect`.
        Powers that have not balanced for a minute are `suspect`. Taken every few seconds, or that minute is not seen.

        :param now: in UTC.
        :param sources: the readings of each transport by point; of two that give a point the good and newer one wins.
        """
        alerts: dict[str, Alert] = {}
        judged = [{point: self._judged(point, r, now, alerts) for point, r in source.items()} for source in sources]
        points = {point: self._last_good(point, r, alerts) for point, r in _merged(judged).items()}
        for inverter, balance in self._balances.items():
            points |= self._balanced(inverter, balance, points, now, alerts)
        # What is wrong for long is told with the time since when it is.
        self._alerts = {place: replace(a, since=self._since(a)) for place, a in alerts.items()}
        given = {alias: points[origin] for alias, origin in self._aliases.items() if origin in points}
        return Readings(now, given | points)

    @property
    def alerts(self) -> Sequence[Alert]:
        """What was not believed in the last image."""
        return tuple(self._alerts.values())

    def _judged(self, point: str, reading: Reading, now: datetime, alerts: dict[str, Alert]) -> Reading:
        if reading.quality is not Quality.GOOD or not (fault := self._fault(reading, now)):
            return reading
        alerts[point] = Alert(Severity.WARNING, point, fault, now, "stale_data")
        return replace(reading, quality=Quality.SUSPECT)

    def _last_good(self, point: str, reading: Reading, alerts: Mapping[str, Alert]) -> Reading:
        """The reading, or the last good one in place of one that was not believed here."""
        if reading.quality is Quality.GOOD:
            self._good[point] = reading
        doubted = reading.quality is Quality.SUSPECT and point in alerts
        return self._good.get(point, reading) if doubted else reading

    def _fault(self, reading: Reading, now: datetime) -> str:
        if reading.measured_at - now > AHEAD:
            return f"measured {reading.measured_at - now} in the future; {AHEAD} is allowed"
        value = reading.value
        if isinstance(value, float) and not math.isfinite(value):
            return f"found {value}; a finite number is allowed"
        if reading.unit not in self._possible:
            return ""
        least, greatest = self._possible[reading.unit]
        if isinstance(value, bool | str):
            return f"found {value!r}; a number in {reading.unit} is allowed"
        if not least <= value <= greatest:
            return f"found {value:g} {reading.unit}; {least:g} to {greatest:g} is allowed"
        return ""

    def _balanced(
        self,
        inverter: str,
        balance: PowerBalance,
        points: Mapping[str, Reading],
        now: datetime,
        alerts: dict[str, Alert],
    ) -> Mapping[str, Reading]:
        """The powers of an inverter as `suspect`, if they do not balance; nothing otherwise."""
        powers = {flow: points[f"{inverter}/{flow}"] for flow in POWERS if f"{inverter}/{flow}" in points}
        fault = balance.fault(now, powers)
        if not fault:
            return {}
        alerts[inverter] = Alert(Severity.WARNING, inverter, fault, now, "stale_data")
        return {f"{inverter}/{flow}": replace(reading, quality=Quality.SUSPECT) for flow, reading in powers.items()}

    def _since(self, alert: Alert) -> datetime:
        known = self._alerts.get(alert.place)
        return known.since if known is not None else alert.since


def _merged(sources: Iterable[Mapping[str, Reading]]) -> Mapping[str, Reading]:
    merged: dict[str, Reading] = {}
    for source in sources:
        for point, reading in source.items():
            if point not in merged or _worth(reading) > _worth(merged[point]):
                merged[point] = reading
    return merged


def _worth(reading: Reading) -> tuple[int, datetime]:
    return -_RANK[reading.quality], reading.measured_at
