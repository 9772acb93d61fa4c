"""A load that needs some energy by some time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pems_core.domain import (
    Control,
    ControlKind,
    Executed,
    FlexibleLoadSpec,
    FlexibleLoadState,
    Forecasts,
    Plan,
    Readings,
    SiteState,
    Step,
    Value,
    of_kind,
)
from pems_core.planning.model import DispatchModel
from pems_core.planning.parts.flexible_load import add_flexible_load

MAX_AGE = timedelta(minutes=15)


class FlexibleLoadDevice:
    """Readings to what is still needed, plan to power; a brand adds `encode` and `release`."""

    balances = False

    def __init__(self, name: str, spec: FlexibleLoadSpec) -> None:
        self.name = name
        self.spec = spec

    @property
    def equipment(self) -> FlexibleLoadSpec:
        return self.spec

    def controls(self) -> Sequence[Control]:
        return [Control("power_kw", ControlKind.NUMBER, "kW", 0.0, self.spec.power_max_kw)]

    def state(self, readings: Readings, before: object | None = None) -> FlexibleLoadState:
        needed_kwh = readings.number(f"{self.name}/energy_needed_kwh", MAX_AGE, "kWh")
        available_from, ready_by = window(self.spec, readings.now)
        return FlexibleLoadState(needed_kwh, ready_by, available_from)

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        add_flexible_load(model, self.name, self.spec, state, forecasts)

    def settings(self, plan: Plan, t: int) -> Mapping[str, Value]:
        power_kw = plan.dispatch[f"{self.name}.power_kw"][t]
        if self.spec.on_off and t < plan.binary_steps:
            power_kw = self.spec.power_max_kw if power_kw > self.spec.power_max_kw / 2 else 0.0
        return {"power_kw": power_kw}

    def execute(self, settings: Mapping[str, Value], state: object, step: Step) -> Executed:
        load = of_kind(state, FlexibleLoadState)
        wanted_kw = float(settings.get("power_kw", self.spec.power_max_kw))
        begun = load.available_from is None or step.start >= load.available_from
        open_still = load.ready_by is None or step.start < load.ready_by
        power_kw = min(wanted_kw, load.energy_needed_kwh / step.length_h) if begun and open_still else 0.0
        needed_kwh = max(0.0, load.energy_needed_kwh - power_kw * step.length_h)
        return Executed(
            {"power_kw": power_kw},
            replace(load, energy_needed_kwh=needed_kwh, running=power_kw > 0),
            {"needed_kwh": needed_kwh},
        )


def window(spec: FlexibleLoadSpec, now: datetime) -> tuple[datetime, datetime]:
    """The running or next window of a daily load: from when it can be served, and by when it must be.

    Both are instants; the house file gives local wall-clock times.
    """
    zone = ZoneInfo(spec.timezone)
    today = now.astimezone(zone).date()
    windows = (_window_of(spec, today + timedelta(days=offset), zone) for offset in (-1, 0, 1))
    return next((begins, ends) for begins, ends in windows if ends > now)


def _window_of(spec: FlexibleLoadSpec, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The window that begins on a local day."""
    begins = datetime.combine(day, spec.available_from, zone)
    ends = datetime.combine(day, spec.ready_by, zone)
    if ends <= begins:
        ends = datetime.combine(day + timedelta(days=1), spec.ready_by, zone)
    return begins.astimezone(UTC), ends.astimezone(UTC)
