"""The grid connection and the base load of the house."""

from dataclasses import dataclass

import pyomo.environ as pyo

from pems_core.domain import Forecasts, GridSpec, SiteState
from pems_core.planning.model import DispatchModel

OVERLOAD_PRICE_FACTOR = 100.0
"""Times the highest price: keeps the model feasible when the base load alone exceeds the connection."""


@dataclass(frozen=True, slots=True)
class GridConnection:
    """Import from and feed-in to the grid, and the load that nobody controls."""

    spec: GridSpec

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        """Add import, export and base load.

        import[t] <= import_limit + overload[t],  overload[t] <= unavoidable load[t] - import_limit
        import[t] <= (import_limit + highest overload[t]) * importing[t]
        export[t] <= export_limit * (1 - importing[t])

        The last pair only stands where buying and selling at once would pay.
        """
        steps, step_h = model.pyomo.steps, model.horizon.step_h
        base_load_kw = forecasts["base_load_kw"]
        import_price, feed_in_price = forecasts["import_price_per_kwh"], forecasts["feed_in_price_per_kwh"]
        both_would_pay = [t for t in steps if feed_in_price[t] >= import_price[t]]
        limit = self.spec

        model.import_limit_kw = limit.import_limit_kw
        grid = model.part("grid")
        grid.import_kw = pyo.Var(steps, bounds=(0, None))
        grid.export_kw = pyo.Var(steps, bounds=(0, limit.export_limit_kw))
        grid.overload_kw = pyo.Var(steps, bounds=(0, None))
        for t in steps:
            model.add_unavoidable(t, base_load_kw[t])
        grid.within_connection = pyo.Constraint(
            steps, rule=lambda b, t: b.import_kw[t] - b.overload_kw[t] <= limit.import_limit_kw
        )

        def bound_overload() -> None:
            for t in steps:
                grid.overload_kw[t].setub(max(0.0, model.unavoidable_kw[t] - limit.import_limit_kw))
            if both_would_pay:
                grid.no_import_otherwise = pyo.Constraint(
                    both_would_pay,
                    rule=lambda b, t: b.import_kw[t] <= (limit.import_limit_kw + b.overload_kw[t].ub) * b.importing[t],
                )

        model.add_closing(bound_overload)
        if both_would_pay:
            grid.importing = pyo.Var(both_would_pay, within=pyo.Binary)
            grid.no_export_when_importing = pyo.Constraint(
                both_would_pay, rule=lambda b, t: b.export_kw[t] <= limit.export_limit_kw * (1 - b.importing[t])
            )
        model.add_source("grid.import_kw", lambda t: grid.import_kw[t])
        model.add_sink("grid.export_kw", lambda t: grid.export_kw[t])
        model.add_sink("base_load_kw", lambda t: base_load_kw[t])
        overload_price = OVERLOAD_PRICE_FACTOR * max(1.0, *map(abs, import_price))
        model.add_cost(
            "grid.overload",
            overload_price * sum(step_h[t] * grid.overload_kw[t] for t in steps),
            kind="limit",
        )
