"""When a load that needs some energy by some time runs."""

from dataclasses import dataclass
from typing import Protocol

from pems_core.domain import HOUR, FlexibleLoadSpec, FlexibleLoadState, Reason

from .ahead import Ahead


class LoadRule(Protocol):
    """Decides the power of a flexible load in the first step ahead."""

    def power(self, load: FlexibleLoadSpec, state: FlexibleLoadState, ahead: Ahead) -> tuple[float, Reason]:
        """Power [kW] and why."""


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Runs as soon as it can until it has what it needs."""

    def power(self, load: FlexibleLoadSpec, state: FlexibleLoadState, ahead: Ahead) -> tuple[float, Reason]:
        if not waiting(state, ahead):
            return 0.0, Reason("needs nothing now")
        return full_power(load, state, ahead), Reason("runs as soon as it can")


@dataclass(frozen=True, slots=True)
class CheapestHours:
    """Runs in the cheapest hours before it must be ready; free PV counts at its feed-in price."""

    def power(self, load: FlexibleLoadSpec, state: FlexibleLoadState, ahead: Ahead) -> tuple[float, Reason]:
        if not waiting(state, ahead):
            return 0.0, Reason("needs nothing now")
        power_kw = full_power(load, state, ahead)
        if not ahead.priced:
            return power_kw, Reason("runs as soon as it can; no prices are known")
        price = ahead.worth_per_kwh[0]
        left_h = ahead.starts_h[-1] + ahead.step_h[-1]
        if state.ready_by is not None:
            left_h = min(left_h, (state.ready_by - ahead.start) / HOUR)
        cheaper_h = sum(
            min(h, left_h - start)
            for worth, h, start in zip(ahead.worth_per_kwh, ahead.step_h, ahead.starts_h, strict=True)
            if start > 0 and start < left_h and worth < price
        )
        if cheaper_h * load.power_max_kw >= state.energy_needed_kwh:
            return 0.0, Reason(f"cheaper hours than {price:.2f} per kWh come before it must be ready")
        return power_kw, Reason(f"{price:.2f} per kWh is among the cheapest hours before it must be ready")


def waiting(state: FlexibleLoadState, ahead: Ahead) -> bool:
    available = state.available_from is None or state.available_from <= ahead.start
    return available and state.energy_needed_kwh > 0


def full_power(load: FlexibleLoadSpec, state: FlexibleLoadState, ahead: Ahead) -> float:
    """The power that gives what is needed in one step [kW], within what the load can draw."""
    if load.on_off:
        return load.power_max_kw
    return max(load.power_min_kw, min(load.power_max_kw, state.energy_needed_kwh / ahead.step_h[0]))
