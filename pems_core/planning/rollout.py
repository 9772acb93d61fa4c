"""What really happens when devices are given settings: the execution models, stepped through the horizon."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pems_core.domain import (
    BatteryState,
    Forecasts,
    GridSpec,
    HeatingSpec,
    HeatingState,
    HybridInverterSpec,
    InverterState,
    Plan,
    Rung,
    SiteState,
    Step,
    Value,
    of_kind,
)
from pems_core.protocols import Device

from .parts.terminal import heat_kwh_value, stored_kwh_value

SettingsOf = Callable[[Device, int, SiteState], Mapping[str, Value]]
"""Settings of a device in one step, at whose start the house is in a state."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNFORECAST = {
    "import_price_per_kwh": 0.0,
    "feed_in_price_per_kwh": 0.0,
    "base_load_kw": 0.0,
    "outdoor_temperature_c": 5.0,
}
"""Where nobody forecasts these: rules and a release must be planned all the same."""
FLOWS_OUT_OF_HOUSE = ("from_house_kw",)


@dataclass
class Rollout:
    """Series over the horizon as executed; all lists have one value per step."""

    dispatch: dict[str, list[float]] = field(default_factory=dict)
    levels: dict[str, list[float]] = field(default_factory=dict)
    modes: dict[str, list[str]] = field(default_factory=dict)
    settings: dict[str, list[Mapping[str, Value]]] = field(default_factory=dict)
    bill: float = 0.0
    wear: float = 0.0
    discomfort: float = 0.0
    end: SiteState = field(default_factory=lambda: SiteState(EPOCH, {}))
    """The house after the last step."""

    @property
    def cost(self) -> float:
        """Bill, wear and discomfort [currency]."""
        return self.bill + self.wear + self.discomfort


def roll_out(
    devices: Sequence[Device],
    grid: GridSpec,
    state: SiteState,
    forecasts: Forecasts,
    settings_of: SettingsOf,
    steps: int | None = None,
) -> Rollout:
    """Step the house through the first `steps` of the horizon; loads first, then PV, then what balances both."""
    out = Rollout()
    horizon = forecasts.horizon
    ordered = in_order(devices, state)
    now = state
    for t in range(horizon.steps if steps is None else min(steps, horizon.steps)):
        inputs = step_inputs(forecasts, t)
        now = replace(now, now=horizon.starts[t])
        net_kw = inputs["base_load_kw"]
        _append(out.dispatch, "base_load_kw", net_kw)
        after = dict(now.devices)
        for device in ordered:
            settings = settings_of(device, t, now)
            step = Step(
                horizon.starts[t], horizon.step_h[t], inputs, net_kw, grid.export_limit_kw, grid.import_limit_kw
            )
            done = device.execute(settings, now.devices[device.name], step)
            after[device.name] = done.state
            out.settings.setdefault(device.name, []).append(settings)
            for flow, kw in done.flows.items():
                _append(out.dispatch, f"{device.name}.{flow}", kw)
            for level, value in done.levels.items():
                _append(out.levels, f"{device.name}.{level}", value)
            if done.mode is not None:
                out.modes.setdefault(device.name, []).append(done.mode)
            net_kw += drawn_kw(device, done.flows)
            out.wear += _wear(device, done.flows, horizon.step_h[t])
            out.discomfort += _discomfort(device, done.state, horizon.ends[t], horizon.step_h[t])
        _append(out.dispatch, "grid.import_kw", max(0.0, net_kw))
        _append(out.dispatch, "grid.export_kw", max(0.0, -net_kw))
        price, feed_in = inputs["import_price_per_kwh"], inputs["feed_in_price_per_kwh"]
        out.bill += (price * max(0.0, net_kw) - feed_in * max(0.0, -net_kw)) * horizon.step_h[t]
        now = replace(now, devices=after)
    out.end = now
    return out


def _append(series: dict[str, list[float]], name: str, value: float) -> None:
    series.setdefault(name, []).append(value)


def in_order(devices: Sequence[Device], state: SiteState) -> list[Device]:
    """The devices that are known to be there: loads first, then PV, then what balances both."""
    present = [device for device in devices if device.name in state.devices]
    return sorted(present, key=lambda d: (d.balances, isinstance(d.equipment, HybridInverterSpec), d.name))


def step_inputs(forecasts: Forecasts, t: int) -> dict[str, float]:
    """The value of each series in a step; what nobody forecasts is unremarkable."""
    return {**UNFORECAST, **{name: forecasts[name][t] for name in forecasts.series}}


def drawn_kw(device: Device, flows: Mapping[str, float]) -> float:
    """What a device draws from the house bus, less what it gives."""
    if device.balances:
        return sum(flows.get(flow, 0.0) for flow in FLOWS_OUT_OF_HOUSE) - (
            flows["to_house_kw"] if "to_house_kw" in flows else flows.get("pv_kw", 0.0)
        )
    return sum(flows.values())


def _wear(device: Device, flows: Mapping[str, float], length_h: float) -> float:
    equipment = device.equipment
    if isinstance(equipment, HybridInverterSpec) and equipment.battery is not None:
        return equipment.battery.wear_cost_per_kwh * flows["discharge_kw"] * length_h
    return 0.0


def _discomfort(device: Device, state: object, at: datetime, length_h: float) -> float:
    """The price of being outside the comfort bands at the end of a step [currency]."""
    spec = device.equipment
    if not isinstance(spec, HeatingSpec) or not isinstance(state, HeatingState):
        return 0.0
    total = 0.0
    for room in spec.rooms:
        band, air_c = room.comfort.at(at), state.rooms[room.name].temperature_c
        outside_k = max(0.0, band.low_c - air_c, air_c - band.high_c)
        shallow_k = min(outside_k, spec.shallow_k)
        total += spec.discomfort_price_per_kh * shallow_k + spec.steep_discomfort_price_per_kh * (outside_k - shallow_k)
    return total * length_h


def plan_from(
    rollout: Rollout, forecasts: Forecasts, rung: Rung, now: datetime, valid_until: datetime, detail: str = ""
) -> Plan:
    """A plan that says what a roll-out found."""
    return Plan(
        horizon=forecasts.horizon,
        dispatch={name: tuple(values) for name, values in rollout.dispatch.items()},
        modes={name: tuple(values) for name, values in rollout.modes.items()},
        levels={name: tuple(values) for name, values in rollout.levels.items()},
        costs={"bill": rollout.bill, "wear": rollout.wear, "discomfort": rollout.discomfort},
        rung=rung,
        made_at=now,
        valid_until=valid_until,
        prices={n: forecasts[n] for n in forecasts.series if n.endswith("price_per_kwh")},
        binary_steps=forecasts.horizon.steps,
        executed_cost=rollout.cost,
        detail=detail,
    )


def stored_worth(devices: Sequence[Device], state: SiteState, forecasts: Forecasts) -> float:
    """Value of what batteries and rooms hold in a state [currency], by the prices of the horizon's last day."""
    total = 0.0
    for device in devices:
        spec = device.equipment
        if isinstance(spec, HybridInverterSpec) and spec.battery is not None:
            battery = of_kind(state.of(device.name, InverterState).battery, BatteryState)
            total += stored_kwh_value(forecasts, spec, spec.battery) * battery.soc * spec.battery.capacity_kwh
        elif isinstance(spec, HeatingSpec):
            rooms = state.of(device.name, HeatingState).rooms
            total += heat_kwh_value(forecasts) * sum(
                room.air_kwh_per_k * rooms[room.name].temperature_c + room.slab_kwh_per_k * rooms[room.name].slab_c
                for room in spec.rooms
            )
    return total
