"""What physics and the equipment allow, worked out anew from the equipment: a second opinion beside the verifier."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import exp

import numpy as np

from pems_core.domain import (
    BatterySpec,
    BatteryState,
    FlexibleLoadSpec,
    FlexibleLoadState,
    HeatingSpec,
    HeatingState,
    HybridInverterSpec,
    InverterState,
    Plan,
    PvSpec,
    RoomSpec,
    of_kind,
)

from .houses import SmallHouse

KW = 0.01
KWH = 1e-3


def broken(case: SmallHouse, plan: Plan) -> list[str]:
    """Everything in a plan that the house cannot do, in words."""
    found = [*_bus(case, plan), *_limits(case, plan)]
    for device in case.house.devices:
        match device.equipment:
            case HybridInverterSpec() as spec:
                found += _inverter(case, plan, device.name, spec)
            case HeatingSpec() as spec:
                found += _heating(case, plan, device.name, spec)
            case FlexibleLoadSpec() as spec:
                found += _load(case, plan, device.name, spec)
            case PvSpec() as spec:
                found += _beyond(plan, f"{device.name}.pv_kw", [spec.pv_share * kw for kw in case.forecasts["pv_kw"]])
    return found


def _bus(case: SmallHouse, plan: Plan) -> Iterator[str]:
    """What flows onto the bus flows off it, and nothing flows both ways over the meter."""
    behind = ("charge_kw", "discharge_kw", "curtailed_kw")
    hybrids = [d.name for d in case.house.devices if isinstance(d.equipment, HybridInverterSpec)]
    for t in range(plan.horizon.steps):
        net_kw = 0.0
        for name, flow in plan.dispatch.items():
            device, _, what = name.partition(".")
            if what in behind or (what == "pv_kw" and device in hybrids):
                continue
            gives = name == "grid.import_kw" or what in ("to_house_kw", "pv_kw")
            net_kw += flow[t] if gives else -flow[t]
        if abs(net_kw) > KW:
            yield f"step {t}: {net_kw:+.3f} kW appear at the bus"
        if abs(plan.dispatch["base_load_kw"][t] - case.forecasts["base_load_kw"][t]) > KW:
            yield f"step {t}: the base load is not what is expected"
        both = min(plan.dispatch["grid.import_kw"][t], plan.dispatch["grid.export_kw"][t])
        if both > KW:
            yield f"step {t}: {both:.2f} kW are bought and sold at once"


def _limits(case: SmallHouse, plan: Plan) -> Iterator[str]:
    yield from _beyond(plan, "grid.export_kw", [case.house.grid.export_limit_kw] * plan.horizon.steps)
    allowed = case.house.grid.import_limit_kw
    for t, kw in enumerate(plan.dispatch["grid.import_kw"]):
        if kw > allowed + KW and kw > _must_run_kw(case, plan, t) + KW:
            yield f"step {t}: {kw:.2f} kW are imported, {allowed:g} are allowed"


def _must_run_kw(case: SmallHouse, plan: Plan, t: int) -> float:
    """The base load and, generously, whatever a person or a minimum time may have a hand in."""
    total_kw = plan.dispatch["base_load_kw"][t]
    for device in case.house.devices:
        names: list[tuple[str, str]] = []
        match device.equipment:
            case HeatingSpec() as spec:
                names = [(f"{device.name}.{r.name}_kw", f"{r.name}_relay") for r in spec.rooms]
                rooms = of_kind(case.state.devices[device.name], HeatingState).rooms
                held = {f"{r.name}_relay" for r in spec.rooms if rooms[r.name].relay_since is not None}
            case FlexibleLoadSpec():
                names, held = [(f"{device.name}.power_kw", "power_kw")], set()
        for flow, control in names:
            by_hand = any((o.device, o.control) == (device.name, control) for o in case.state.overrides)
            if by_hand or control in held:
                total_kw += plan.dispatch[flow][t]
    return total_kw


def _beyond(plan: Plan, flow: str, limits_kw: list[float]) -> Iterator[str]:
    for t, (kw, limit_kw) in enumerate(zip(plan.dispatch[flow], limits_kw, strict=True)):
        if not -1e-9 <= kw <= limit_kw + KW:
            yield f"step {t}: {flow} is {kw:.3f}, 0 to {limit_kw:.3f} is possible"


def _inverter(case: SmallHouse, plan: Plan, name: str, spec: HybridInverterSpec) -> Iterator[str]:
    steps = plan.horizon.steps
    available_kw = [spec.pv_share * kw for kw in case.forecasts["pv_kw"]]
    yield from _beyond(plan, f"{name}.pv_kw", available_kw)
    yield from _beyond(plan, f"{name}.to_house_kw", [spec.ac_limit_kw] * steps)
    flow = {what: plan.dispatch.get(f"{name}.{what}_kw", (0.0,) * steps) for what in FLOWS}
    in_eta, out_eta = spec.rectifying_efficiency, spec.inverting_efficiency
    for t in range(steps):
        given = flow["pv"][t] / out_eta + flow["discharge"][t] + in_eta * flow["from_house"][t]
        taken = flow["charge"][t] + flow["to_house"][t] / out_eta
        if abs(given - taken) > KW:
            yield f"step {t}: {given - taken:+.3f} kW appear on the DC bus"
        near = t < plan.binary_steps
        for one, other in (("charge", "discharge"), ("from_house", "to_house")):
            both = min(flow[one][t], flow[other][t])
            if near and both > KW and (one == "charge" or _energy_has_a_price(case, t)):
                yield f"step {t}: {name} has {both:.2f} kW of {one} and {other} at once"
        rule = spec.grid_charge_below_price_per_kwh
        if rule is not None and case.forecasts["import_price_per_kwh"][t] >= rule and flow["from_house"][t] > KW:
            yield f"step {t}: {name} charges from the grid at a price that the house does not want"
    if spec.battery is not None:
        yield from _battery(case, plan, name, spec, spec.battery)
        for t, start in enumerate(plan.horizon.starts[: plan.binary_steps]):
            by_hand = case.state.override(name, "mode", start)
            if by_hand is not None and plan.modes[name][t] != by_hand.value:
                yield f"step {t}: {name} is in {plan.modes[name][t]}, a person wants {by_hand.value}"


FLOWS = ("pv", "to_house", "from_house", "charge", "discharge")


def _energy_has_a_price(case: SmallHouse, t: int) -> bool:
    """Only then is it certain that nobody would turn energy in circles; at no price it does not matter."""
    return min(case.forecasts["import_price_per_kwh"][t], case.forecasts["feed_in_price_per_kwh"][t]) != 0


def _battery(case: SmallHouse, plan: Plan, name: str, spec: HybridInverterSpec, battery: BatterySpec) -> Iterator[str]:
    now = of_kind(of_kind(case.state.devices[name], InverterState).battery, BatteryState)
    grid_limit_kw = min(spec.grid_charge_limit_kw, spec.ac_limit_kw)
    yield from _beyond(plan, f"{name}.from_house_kw", [grid_limit_kw] * plan.horizon.steps)
    floor, ceiling = battery.soc_min, battery.soc_max
    below = now.soc < floor - 1e-6
    usable_kwh = (ceiling - floor) * battery.capacity_kwh
    soc = now.soc
    for t, (after, h) in enumerate(zip(plan.levels[f"{name}.soc"], plan.horizon.step_h, strict=True)):
        charge_kw, discharge_kw = plan.dispatch[f"{name}.charge_kw"][t], plan.dispatch[f"{name}.discharge_kw"][t]
        kept = 1.0 if below else exp(-2 * battery.standby_kw / usable_kwh * h)
        gained = charge_kw * battery.charge_efficiency - discharge_kw / battery.discharge_efficiency
        held_kwh = (floor + (soc - floor) * kept) * battery.capacity_kwh + gained * h
        if abs(held_kwh - after * battery.capacity_kwh) > KWH + 1e-5 * battery.capacity_kwh:
            yield f"step {t}: {name} holds {after * battery.capacity_kwh:.4f} kWh, its flows give {held_kwh:.4f}"
        if not min(floor, now.soc) - 1e-4 <= after <= max(ceiling, now.soc) + 1e-4:
            yield f"step {t}: {name} is at {after:.4f}"
        if discharge_kw > KW and after < floor - 1e-4:
            yield f"step {t}: {name} discharges below its floor"
        for what, kw, limit_kw in (
            ("charge", charge_kw, battery.charge_limit_at(0.5, now.temperature_c)),
            ("discharge", discharge_kw, battery.discharge_limit_at(0.5, now.temperature_c)),
        ):
            if kw > limit_kw + KW:
                yield f"step {t}: {name} has {what} of {kw:.2f} kW, {limit_kw:.2f} is possible"
        soc = after


def _heating(case: SmallHouse, plan: Plan, name: str, spec: HeatingSpec) -> Iterator[str]:
    now = of_kind(case.state.devices[name], HeatingState).rooms
    for room in spec.rooms:
        state = now[room.name]
        flow = plan.dispatch[f"{name}.{room.name}_kw"]
        yield from _beyond(plan, f"{name}.{room.name}_kw", [room.relay_kw] * plan.horizon.steps)
        near = [kw / room.relay_kw for kw in flow[: plan.binary_steps]]
        yield from (f"step {t}: {room.name} is {x:.3f} on" for t, x in enumerate(near) if min(x, abs(1 - x)) > 1e-3)
        yield from _minimum_times(room, [x > 0.5 for x in near], plan.horizon.starts, state.relay_on, state.relay_since)
    yield from _temperatures(case, plan, name, spec)


def _minimum_times(
    room: RoomSpec, on: list[bool], starts: tuple[datetime, ...], was_on: bool, since: datetime | None
) -> Iterator[str]:
    switched = [t for t, (a, b) in enumerate(zip([was_on, *on], on, strict=False)) if a != b]
    times: list[datetime | None] = [since, *(starts[t] for t in switched)]
    for t, begun in zip(switched, times, strict=False):
        minimum = room.min_off if on[t] else room.min_on
        if begun is not None and starts[t] - begun < minimum - timedelta(seconds=1):
            yield f"step {t}: {room.name} switches after {starts[t] - begun}, {minimum} is its minimum"


def _temperatures(case: SmallHouse, plan: Plan, name: str, spec: HeatingSpec) -> Iterator[str]:
    """Heat flows of each room by the differential equations, neighbours held over the step."""
    now = of_kind(case.state.devices[name], HeatingState).rooms
    air = {room: state.temperature_c for room, state in now.items()}
    slab = {room: state.slab_c for room, state in now.items()}
    elapsed_h = 0.0
    for t, h in enumerate(plan.horizon.step_h):
        after: dict[str, tuple[float, float]] = {}
        for room in spec.rooms:
            gain_kw = room.internal_gain_kw + room.solar_m2 * case.forecasts["ghi_w_m2"][t] / 1000
            gain_kw += now[room.name].disturbance_kw * exp(-elapsed_h / 6)
            links = {"outside": (room.outside_kw_per_k, case.forecasts["outdoor_temperature_c"][t])}
            links |= {o: (spec.conductance(room.name, o), air[o]) for o in air if o != room.name}
            heater_kw = plan.dispatch[f"{name}.{room.name}_kw"][t]
            after[room.name] = _two_nodes(room, (air[room.name], slab[room.name]), links, gain_kw, heater_kw, h)
        for room in spec.rooms:
            air[room.name], slab[room.name] = after[room.name]
            planned_c = plan.levels[f"{name}.{room.name}_c"][t]
            if abs(planned_c - air[room.name]) > 0.02:
                yield f"step {t}: {room.name} is {planned_c:.2f} °C, its heat gives {air[room.name]:.2f} °C"
        elapsed_h += h


def _two_nodes(
    room: RoomSpec,
    start: tuple[float, float],
    links: Mapping[str, tuple[float, float]],
    gain_kw: float,
    heater_kw: float,
    h: float,
) -> tuple[float, float]:
    """Air and slab after `h` hours, from the eigenvalues of the two coupled equations."""
    g, air_c, slab_c = room.slab_to_air_kw_per_k, room.air_kwh_per_k, room.slab_kwh_per_k
    loss = sum(k for k, _ in links.values())
    matrix = np.array([[-(g + loss) / air_c, g / air_c], [g / slab_c, -g / slab_c]])
    drive = np.array([(gain_kw + sum(k * c for k, c in links.values())) / air_c, heater_kw / slab_c])
    rest = np.linalg.solve(matrix, -drive)
    rates, shapes = np.linalg.eig(matrix)
    end = rest + shapes @ (np.exp(rates * h) * np.linalg.solve(shapes, np.array(start) - rest))
    return float(end[0]), float(end[1])


def _load(case: SmallHouse, plan: Plan, name: str, spec: FlexibleLoadSpec) -> Iterator[str]:
    now = of_kind(case.state.devices[name], FlexibleLoadState)
    flow = plan.dispatch[f"{name}.power_kw"]
    yield from _beyond(plan, f"{name}.power_kw", [spec.power_max_kw] * plan.horizon.steps)
    served_kwh = sum(kw * h for kw, h in zip(flow, plan.horizon.step_h, strict=True))
    if served_kwh > now.energy_needed_kwh + 0.02:
        yield f"{name} takes {served_kwh:.3f} kWh and needs {now.energy_needed_kwh:.3f}"
    by_hand = any(override.device == name for override in case.state.overrides)
    least_kw = spec.power_max_kw if spec.on_off else spec.power_min_kw
    for t, kw in enumerate(flow):
        starts_at, ends_at = plan.horizon.starts[t], plan.horizon.ends[t]
        early = now.available_from is not None and starts_at < now.available_from
        late = now.ready_by is not None and ends_at > now.ready_by
        if kw > KW and (early or late):
            yield f"step {t}: {name} runs outside its window"
        if t < plan.binary_steps and KW < kw < least_kw - KW and not by_hand:
            yield f"step {t}: {name} runs at {kw:.2f} kW, {least_kw:g} is its least"
