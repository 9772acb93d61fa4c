"""PV with an inverter of its own, on the AC side."""

import pyomo.environ as pyo

from pems_core.domain import Forecasts, PvSpec
from pems_core.planning.model import DispatchModel


def add_pv(model: DispatchModel, name: str, spec: PvSpec, forecasts: Forecasts) -> None:
    """pv[t] <= available[t] where it can be curtailed, else pv[t] == available[t]."""
    available_kw = [spec.pv_share * max(0.0, kw) for kw in forecasts.get("pv_kw", 0.0)]
    pv = model.part(name)
    pv.pv_kw = pyo.Var(
        model.pyomo.steps,
        bounds=lambda _, t: (0 if spec.curtailable else available_kw[t], available_kw[t]),
    )
    model.add_source(f"{name}.pv_kw", lambda t: pv.pv_kw[t])
    model.add_flow(f"{name}.curtailed_kw", lambda t: available_kw[t] - pv.pv_kw[t])
