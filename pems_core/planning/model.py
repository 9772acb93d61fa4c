"""The dispatch model: devices and strategies add parts, the core closes it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import pyomo.environ as pyo

from pems_core.domain import Horizon, Plan

Expression = Any  # a Pyomo expression; Pyomo has no types
PerStep = Callable[[int], Expression]
Values = Callable[[Expression], float]
"""Gives the value of a Pyomo variable or expression in a solution."""
ModeAt = Callable[[int, Values], str]
Ceiling = Callable[[int, Values], float]
"""Gives a power [kW] in a step of a solution."""
Rounding = Callable[[Values], Sequence[tuple[Any, float]]]
"""Gives binary variables and whole values for them from a solution in which they are fractional."""
Memory = Callable[[Plan], Sequence[tuple[Any, float]]]
"""Gives switches and the values that they have in an earlier plan."""


Equation = tuple[Any, Any, float]
"""An equation that gives a state, the state's variable, and what the state is now."""
Exchange = tuple[Any, Any, Any]
"""An equation, the variable of its own state in the step before, and that of another with which it exchanges."""


@dataclass(frozen=True, slots=True)
class Cost:
    expression: Expression
    kind: str


class DispatchModel:
    """A mixed-integer linear model of the house over a horizon.

    Parts name their flows at the house bus; every flow is >= 0 and in kW:

    - a source brings power to the bus (PV, discharge, import),
    - a sink takes power from it (load, charge, export).

    `close` then makes sources equal sinks in every step and adds up the costs [currency]. The order in
    which parts are added never matters.

    :param binary_steps: in this many first steps switches are on or off; beyond they may be anything between.
    :param battery_value: worth of a kWh in the cells at the end [currency/kWh]; None: parts take it from the prices.
    :param heat_value: likewise of a kWh of heat.
    """

    def __init__(
        self,
        horizon: Horizon,
        binary_steps: int | None = None,
        battery_value: float | None = None,
        heat_value: float | None = None,
    ) -> None:
        self.battery_value = battery_value
        self.heat_value = heat_value
        self.horizon = horizon
        self.binary_steps = horizon.steps if binary_steps is None else min(binary_steps, horizon.steps)
        self.pyomo = pyo.ConcreteModel("pems")
        self.pyomo.steps = pyo.RangeSet(0, horizon.steps - 1)
        self.sources: dict[str, PerStep] = {}
        self.sinks: dict[str, PerStep] = {}
        self.flows: dict[str, PerStep] = {}
        self.levels: dict[str, PerStep] = {}
        self.modes: dict[str, ModeAt] = {}
        self.costs: dict[str, Cost] = {}
        self.roundings: list[Rounding] = []
        self.guesses: list[Rounding] = []
        self.memories: list[Memory] = []
        self.equations: list[Equation] = []
        self.exchanges: list[Exchange] = []
        self.import_limit_kw = inf
        self.import_ceilings: list[Ceiling] = []
        self.unavoidable_kw = [0.0] * horizon.steps
        self.closings: list[Callable[[], None]] = []
        self.closed = False
        self._weights: dict[str, float] = {}
        self._factor = 1.0

    def part(self, name: str) -> pyo.Block:
        """A block of its own for one device or strategy."""
        if self.pyomo.component(name) is not None:
            raise ValueError(f"two parts of the model are called {name!r}; names are unique")
        block = pyo.Block(concrete=True)
        self.pyomo.add_component(name, block)
        return block

    def switch_domain(self, t: int) -> Any:
        """Binary in the near steps, a share 0..1 beyond."""
        return pyo.Binary if t < self.binary_steps else pyo.Reals

    def add_source(self, name: str, power_kw: PerStep) -> None:
        self._enter(self.sources, name, power_kw)

    def add_sink(self, name: str, power_kw: PerStep) -> None:
        self._enter(self.sinks, name, power_kw)

    def add_flow(self, name: str, power_kw: PerStep) -> None:
        """A flow behind the bus that the plan shall show, such as battery charge."""
        self._enter(self.flows, name, power_kw)

    def add_level(self, name: str, level: PerStep) -> None:
        """A state at the end of each step that the plan shall show."""
        self._enter(self.levels, name, level)

    def add_modes(self, name: str, mode_at: ModeAt) -> None:
        """How to name a device's operating mode in each step of a solution."""
        self._enter(self.modes, name, mode_at)

    def add_cost(self, name: str, cost: Expression, kind: str = "strategy") -> None:
        """A term of the objective [currency].

        :param kind: bill, wear, comfort, strategy, terminal or limit; `weigh` multiplies whole kinds.
        """
        name = name if self._factor == 1.0 else f"{name} x {self._factor:g}"
        self._enter(self.costs, name, Cost(cost if self._factor == 1.0 else self._factor * cost, kind))

    @contextmanager
    def weighted(self, factor: float) -> Iterator[None]:
        """Multiply the costs that are added meanwhile, for aims that are combined."""
        before, self._factor = self._factor, self._factor * factor
        try:
            yield
        finally:
            self._factor = before

    def add_rounding(self, rounding: Rounding) -> None:
        """How to bring many small switches (relays) to whole values; the result is kept, not searched on."""
        self.roundings.append(rounding)

    def add_guess(self, guess: Rounding) -> None:
        """Likely whole values of a few large switches (operating modes); they are searched on if this is not best."""
        self.guesses.append(guess)

    def add_memory(self, memory: Memory) -> None:
        """What an earlier plan chose for switches of this model, as far as it reaches."""
        self.memories.append(memory)

    def add_exchanges(self, equations: Sequence[Equation], exchanges: Sequence[Exchange]) -> None:
        """Tell which equations let states follow from each other in time, and where one state gives to another.

        A solver that goes by them is spared that everything depends on everything; see :mod:`.exchange`.

        :param equations: in the order of time.
        """
        self.equations += equations
        self.exchanges += exchanges

    def weigh(self, kind: str, factor: float) -> None:
        """Multiply all costs of one kind; several factors multiply.

        An aim that counts only in part moves the factor only that part of the way from 1.
        """
        self._weights[kind] = self._weights.get(kind, 1.0) * (1.0 + self._factor * (factor - 1.0))

    def weight(self, kind: str) -> float:
        return self._weights.get(kind, 1.0)

    def add_unavoidable(self, t: int, power_kw: float) -> None:
        """Load that nobody may lower, such as a relay within its minimum time; only such load excuses an overload."""
        self.unavoidable_kw[t] += power_kw

    def add_import_ceiling(self, ceiling_kw: Ceiling) -> None:
        """Import above which a solution gets dearer, such as its peak: relays are rounded below it if possible."""
        self.import_ceilings.append(ceiling_kw)

    def add_closing(self, closing: Callable[[], None]) -> None:
        """What a part can only add when all parts have had their say."""
        self.closings.append(closing)

    def headroom_kw(self, t: int, value: Values) -> float:
        """How much more the house could draw in a step of a solution before the connection is full, or a peak rises.

        What inverters take to charge counts as free: they can wait. What a relaxation turns in circles is no charge.
        """
        charging_kw = 0.0
        for name, from_house_kw in self.sinks.items():
            inverter, _, flow = name.partition(".")
            if flow == "from_house_kw":
                net_kw = value(from_house_kw(t)) - value(self.sources[f"{inverter}.to_house_kw"](t))
                charging_kw += max(0.0, net_kw)
        limit_kw = min([self.import_limit_kw, *(ceiling_kw(t, value) for ceiling_kw in self.import_ceilings)])
        return limit_kw - value(self.import_kw(t)) + charging_kw

    def import_kw(self, t: int) -> Expression:
        return self.pyomo.grid.import_kw[t]

    def export_kw(self, t: int) -> Expression:
        return self.pyomo.grid.export_kw[t]

    def close(self) -> None:
        """Add the power balance and the objective."""
        if self.closed:
            raise ValueError("the model is closed already")
        self.closed = True
        for closing in self.closings:
            closing()
        sources, sinks = tuple(self.sources.values()), tuple(self.sinks.values())
        self.pyomo.power_balance = pyo.Constraint(
            self.pyomo.steps,
            rule=lambda _, t: sum(power(t) for power in sources) == sum(power(t) for power in sinks),
        )
        self.pyomo.cost = pyo.Objective(
            expr=sum(self.weight(cost.kind) * cost.expression for cost in self.costs.values()),
            sense=pyo.minimize,
        )

    @staticmethod
    def _enter(ledger: dict[str, Any], name: str, entry: Any) -> None:
        if name in ledger:
            raise ValueError(f"two parts of the model add {name!r}; names are unique")
        ledger[name] = entry
