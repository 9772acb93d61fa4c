"""Room setpoints by price: pre-heat in the cheapest hours, set back in the dearest, within the comfort band."""

import math
from dataclasses import dataclass
from typing import Protocol

from pems_core.domain import ComfortBand, HeatingSpec, HeatingState, Reason, RoomState

from .ahead import Ahead

HEAT_AHEAD_H = 12.0
"""How long a house keeps heat well enough to plan with it [h]."""


TOO_COLD = Reason("setpoint of the schedule; the room is below its band")
WARM_ENOUGH = Reason("setpoint of the schedule; the room is warmer already")


class Warmth(Protocol):
    """What heat costs now against the hours ahead; the same for all rooms."""

    def shift(self, ahead: Ahead) -> tuple[int, Reason]:
        """-1 to set back, 0 for the schedule, 1 to pre-heat, and why."""

    def setpoint(self, band: ComfortBand, heating: HeatingSpec, shift: int) -> float:
        """The setpoint [°C] of a room with this band."""


@dataclass(frozen=True, slots=True)
class ScheduledHeating:
    """Thermostats at the setpoints of their schedule."""

    def shift(self, ahead: Ahead) -> tuple[int, Reason]:
        return 0, Reason("setpoint of the schedule")

    def setpoint(self, band: ComfortBand, heating: HeatingSpec, shift: int) -> float:
        return within_range(band.setpoint_c, heating)


@dataclass(frozen=True, slots=True)
class PreHeatRule:
    """Raise setpoints while heat is cheapest, lower them while it is dearest.

    The price of heat is the import price, or the feed-in price where PV is left over. It is ranked among
    the next 12 h. Pre-heating must save more than the share of its heat that is lost.
    """

    boost_k: float = 1.0
    setback_k: float = 1.0
    edge_k: float = 0.3
    """Distance that setpoints keep from the edges of the band: thermostats swing around them [K]."""
    cheap_share: float = 0.3
    """Share of the next hours in which heat counts as cheap."""
    dear_share: float = 0.3
    loss_share: float = 0.1
    """Share of heat stored in advance that is lost."""

    def shift(self, ahead: Ahead) -> tuple[int, Reason]:
        price = ahead.worth_per_kwh[0]
        if not ahead.priced:
            return 0, Reason("setpoint of the schedule; no prices are known")
        if price < 0:
            return 1, Reason(f"pre-heating: import is paid for, {price:.2f} per kWh")
        cheap, dear = self._thresholds(ahead)
        if price <= cheap and price < dear * (1 - self.loss_share):
            return 1, Reason(f"pre-heating: {price:.2f} per kWh is among the cheapest; up to {dear:.2f} comes")
        if price >= dear and cheap < price * (1 - self.loss_share):
            return -1, Reason(f"set back: {price:.2f} per kWh is among the dearest; {cheap:.2f} or less comes")
        return 0, Reason("setpoint of the schedule")

    def setpoint(self, band: ComfortBand, heating: HeatingSpec, shift: int) -> float:
        setpoint, step = band.setpoint_c, heating.setpoint_step_c
        if shift > 0:
            raised = round_down(min(setpoint + self.boost_k, band.high_c - self.edge_k), step)
            return within_range(max(setpoint, raised), heating)
        if shift < 0:
            lowered = -round_down(-max(setpoint - self.setback_k, band.low_c + self.edge_k), step)
            return within_range(min(setpoint, lowered), heating)
        return within_range(setpoint, heating)

    def _thresholds(self, ahead: Ahead) -> tuple[float, float]:
        """Highest cheap and lowest dear price of the next hours [currency/kWh]."""
        ranked = sorted(
            (price, h)
            for price, h, start in zip(ahead.worth_per_kwh, ahead.step_h, ahead.starts_h, strict=True)
            if start < HEAT_AHEAD_H
        )
        total_h = sum(h for _, h in ranked)
        return _at_share(ranked, self.cheap_share * total_h), _at_share(ranked, (1 - self.dear_share) * total_h)


def _at_share(ranked: list[tuple[float, float]], hours: float) -> float:
    """The price that is reached after so many hours of prices ranked cheapest first."""
    at = 0.0
    for price, h in ranked:
        at += h
        if at >= hours - 1e-9:
            return price
    return ranked[-1][0]


def round_down(value: float, step: float) -> float:
    """The highest multiple of `step` that is not above `value`; `value` itself if there is no step.

    >>> round_down(21.7, 0.5)
    21.5
    """
    return round(math.floor(value / step + 1e-6) * step, 9) if step > 0 else value


def within_range(setpoint_c: float, heating: HeatingSpec) -> float:
    low, high = heating.setpoint_range_c
    return max(low, min(high, setpoint_c))


@dataclass(frozen=True, slots=True)
class RoomSetpoint:
    """A room's setpoint in one step."""

    room: str
    setpoint_c: float
    reason: Reason


def room_setpoints(rule: Warmth, heating: HeatingSpec, now: HeatingState, ahead: Ahead) -> list[RoomSetpoint]:
    """The setpoints of all rooms.

    Rooms below their band are not set back. Rooms that are warmer than their schedule asks for are not
    pre-heated: slabs and the sun would carry them out of their band.
    """
    shift, reason = rule.shift(ahead)
    setpoints = []
    for room in heating.rooms:
        band = room.comfort.at(ahead.start)
        unfit = unfit_for(shift, now.rooms.get(room.name), band)
        setpoint_c = rule.setpoint(band, heating, 0 if unfit else shift)
        setpoints.append(RoomSetpoint(room.name, setpoint_c, unfit or reason))
    return setpoints


def unfit_for(shift: int, room: RoomState | None, band: ComfortBand) -> Reason | None:
    """Why a room stays at its schedule, whatever the price of heat; None if it may follow the price."""
    if room is None:
        return None
    if shift < 0 and room.temperature_c < band.low_c:
        return TOO_COLD
    if shift > 0 and room.temperature_c > band.setpoint_c:
        return WARM_ENOUGH
    return None
