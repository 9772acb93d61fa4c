"""PV with an inverter of its own, on the AC side."""

import pyomo.environ as pyo

from pems_core.domain import Forecasts, PvSpec
from pems_core.planning.model import DispatchModel


def add_pv(model: DispatchModel, name: str, spec: PvSpec, forecasts: Forecasts) -> None:
    """available[t] - spillable[t] <= pv[t] <= available[t].

    Nobody can tell such a plant to curtail; it does so by itself, above what house and grid together take.
    """
    available_kw = [spec.pv_share * max(0.0, kw) for kw in forecasts.get("pv_kw", 0.0)]
    taken_kw = [kw + model.export_kw(0).ub for kw in forecasts["base_load_kw"]]
    spillable_kw = [
        max(0.0, kw - taken) if spec.curtailable else 0.0 for kw, taken in zip(available_kw, taken_kw, strict=True)
    ]
    pv = model.part(name)
    pv.pv_kw = pyo.Var(
        model.pyomo.steps,
        bounds=lambda _, t: (available_kw[t] - spillable_kw[t], available_kw[t]),
    )
    model.add_source(f"{name}.pv_kw", lambda t: pv.pv_kw[t])
    model.add_flow(f"{name}.curtailed_kw", lambda t: available_kw[t] - pv.pv_kw[t])
