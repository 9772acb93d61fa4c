"""PV with an inverter of its own, on the AC side; it can only be curtailed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pems_core.domain import (
    Command,
    Control,
    Executed,
    Forecasts,
    Plan,
    PvSpec,
    Readings,
    SiteState,
    Step,
    Value,
)
from pems_core.planning.model import DispatchModel
from pems_core.planning.parts.pv import add_pv

from .commands import require_allowed

NO_FLOW_KW = 0.02


@dataclass(frozen=True)
class PvPlant:
    name: str
    spec: PvSpec
    balances: bool = True

    @property
    def equipment(self) -> PvSpec:
        return self.spec

    def controls(self) -> Sequence[Control]:
        return []

    def state(self, readings: Readings, before: object | None = None) -> None:
        return None

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        add_pv(model, self.name, self.spec, forecasts)

    def settings(self, plan: Plan, t: int) -> Mapping[str, Value]:
        return {}

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        require_allowed(self.name, self.controls(), settings)
        return []

    def release(self) -> Sequence[Command]:
        return []

    def execute(self, settings: Mapping[str, Value], state: object, step: Step) -> Executed:
        available_kw = self.spec.pv_share * max(0.0, step.inputs.get("pv_kw", 0.0))
        used_kw = available_kw
        if self.spec.curtailable:
            used_kw = min(available_kw, max(0.0, step.load_kw) + step.export_limit_kw)
        return Executed({"pv_kw": used_kw, "curtailed_kw": available_kw - used_kw}, state)
