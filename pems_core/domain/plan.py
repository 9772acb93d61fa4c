"""What the house is to do over the horizon, and what each device is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from .horizon import Horizon
from .override import Value


class Rung(StrEnum):
    """Where a plan comes from: the rungs of the fallback ladder, best first."""

    SOLVER = "solver"
    INCUMBENT = "incumbent"
    SHIFTED = "shifted"
    RULES = "rules"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is done, and what it is worth [currency] against the next best choice."""

    text: str
    saves: float | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    """The time that it speaks of; None: always."""

    def holds(self, at: datetime) -> bool:
        begun = self.valid_from is None or self.valid_from <= at
        return begun and (self.valid_until is None or at < self.valid_until)


@dataclass(frozen=True)
class Plan:
    """One consistent course of the whole house. All series have one value per step."""

    horizon: Horizon
    dispatch: Mapping[str, tuple[float, ...]]
    """Flows `<device>.<flow>_kw`, never negative, mean power of the step."""
    modes: Mapping[str, tuple[str, ...]]
    """Operating mode by `<device>`."""
    levels: Mapping[str, tuple[float, ...]]
    """States at the end of each step, such as `inverter.soc` or `heating.kitchen_c`."""
    costs: Mapping[str, float]
    """Cost terms [currency] over the horizon."""
    stored: tuple[str, ...] = field(default=(), kw_only=True)
    """Cost terms that are not spent within the horizon: less the value of what is stored at its end."""
    rung: Rung
    made_at: datetime
    valid_until: datetime
    prices: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The prices it was made with [currency/kWh], by name of the series."""
    binary_steps: int = 0
    """In this many first steps switches are on or off; beyond they are shares of the step."""
    bound: float | None = None
    """No plan on this grid can cost less [currency], as the solver proved."""
    marginal_value_per_kwh: tuple[float, ...] = ()
    """What one more kWh at the house bus would cost in each step [currency/kWh]."""
    executed_cost: float | None = None
    """The bill of this plan as the devices would execute it [currency], as the verifier found."""
    reasons: Mapping[str, Sequence[Reason]] = field(default_factory=dict)
    """By `<device>` or `<device>.<control>`."""
    solve_s: float = 0.0
    detail: str = ""

    def knows(self, device: str) -> bool:
        """Whether a device is in the plan; one that could not be read is not."""
        return any(name.partition(".")[0] == device for series in (self.dispatch, self.levels) for name in series)

    @property
    def in_force(self) -> "Plan":
        """The steps for which it holds. A solver's plan was checked as a whole, one of a lower rung only so far."""
        if self.rung in (Rung.SOLVER, Rung.INCUMBENT):
            return self
        return self.first_steps(self.horizon.steps_before(self.valid_until))

    def first_steps(self, count: int) -> "Plan":
        """The flows, modes, levels and prices of the first steps; costs and bound stay those of the whole plan."""

        def first(series: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
            return {name: values[:count] for name, values in series.items()}

        return replace(
            self,
            horizon=Horizon(self.horizon.start, self.horizon.lengths[:count]),
            dispatch=first(self.dispatch),
            modes=first(self.modes),
            levels=first(self.levels),
            prices=first(self.prices),
            binary_steps=min(self.binary_steps, count),
            marginal_value_per_kwh=self.marginal_value_per_kwh[:count],
        )

    def decided_steps(self, instants: Sequence[datetime]) -> list[tuple[int, int]]:
        """Positions of the instants for which this plan has whole switches, with its step at each."""
        decided_until = self.horizon.ends[self.binary_steps - 1] if self.binary_steps else self.horizon.start
        return [
            (i, self.horizon.step_at(instant))
            for i, instant in enumerate(instants)
            if self.horizon.start <= instant < decided_until
        ]

    @property
    def cost(self) -> float:
        return sum(self.costs.values())

    @property
    def spent(self) -> float:
        """What is spent within the horizon [currency], to be held against `executed_cost`."""
        return sum(cost for name, cost in self.costs.items() if name not in self.stored)

    @property
    def gap(self) -> float | None:
        """How much the cost can lie above the best possible [currency]."""
        return None if self.bound is None else max(0.0, self.cost - self.bound)


@dataclass(frozen=True, slots=True)
class Decision:
    """One control of one device, with the time for which the choice holds."""

    device: str
    control: str
    value: Value
    unit: str
    valid_from: datetime
    valid_until: datetime
    reason: Reason = Reason("")
    source: str = "plan"

    def holds(self, at: datetime) -> bool:
        return self.valid_from <= at < self.valid_until
