"""What the planner believes that an inverter does is what the simulated one does, minute by minute."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pems_core.domain import BatterySpec, BatteryState, HybridInverterSpec, InverterState, Step, Value, of_kind
from pems_core.planning.parts.inverter_modes import execute_hybrid_inverter
from pems_core.simulation.twins.inverter import InverterFlow, InverterSettings, InverterTwin

from .houses import START

MINUTE_H = 1 / 60
OUTDOOR_C = 5.0
POWERS = st.floats(0.0, 15.0).map(lambda kw: round(kw, 2)) | st.sampled_from((0.0, 8.0, 10.0))
SHARES = st.integers(0, 100).map(lambda percent: percent / 100)


@st.composite
def specs(draw: st.DrawFn) -> HybridInverterSpec:
    battery = BatterySpec(
        capacity_kwh=draw(st.sampled_from((0.5, 10.0, 100.0))),
        charge_limit_kw=draw(st.sampled_from((2.5, 9.8))),
        discharge_limit_kw=draw(st.sampled_from((2.5, 9.8))),
        charge_efficiency=draw(st.sampled_from((0.9, 1.0))),
        discharge_efficiency=draw(st.sampled_from((0.9, 1.0))),
        soc_min=draw(st.sampled_from((0.0, 0.2))),
        soc_max=draw(st.sampled_from((0.9, 1.0))),
        standby_kw=draw(st.sampled_from((0.0, 0.05))),
        charge_taper=draw(st.sampled_from((((0.0, 1.0),), ((0.8, 1.0), (1.0, 0.1))))),
    )
    return HybridInverterSpec(
        ac_limit_kw=draw(st.sampled_from((3.0, 8.0, 10.0))),
        inverting_efficiency=draw(st.sampled_from((0.9, 1.0))),
        rectifying_efficiency=draw(st.sampled_from((0.9, 1.0))),
        grid_charge_limit_kw=draw(st.sampled_from((0.0, 2.0, 10.0))),
        battery=draw(st.just(battery) | st.just(battery) | st.none()),
        pv_share=draw(st.sampled_from((1.0, 0.5))),
    )


@st.composite
def told(draw: st.DrawFn, spec: HybridInverterSpec) -> dict[str, Value]:
    """Settings, some of them left to the inverter; rates on the grid that it knows."""
    charge_kw = spec.battery.charge_limit_kw if spec.battery else 0.0
    discharge_kw = spec.battery.discharge_limit_kw if spec.battery else 0.0
    wishes: dict[str, st.SearchStrategy[Value]] = {
        "mode": st.sampled_from(("load_first", "battery_first", "grid_first")),
        "battery_charge_grid": st.booleans(),
        "grid_export": st.booleans(),
        "charge_power_kw": SHARES.map(lambda share: share * charge_kw),
        "discharge_power_kw": SHARES.map(lambda share: share * discharge_kw),
        "stop_soc": SHARES,
    }
    return {control: draw(wish) for control, wish in wishes.items() if draw(st.integers(0, 3))}


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_execution_model_and_simulated_inverter_agree(data: st.DataObject) -> None:
    spec = data.draw(specs())
    commands = data.draw(told(spec))
    twin = InverterTwin(spec, data.draw(SHARES), OUTDOOR_C)
    twin.command(InverterSettings.of(commands))
    twin.minute(InverterFlow(0.0, 0.0, 0.0, 0.0, 0.0, 0.0), OUTDOOR_C)
    for _ in range(8):
        stored = BatteryState(twin.battery.soc, twin.battery.temperature_c) if twin.battery else None
        pv_kw, load_kw, export_limit_kw = data.draw(POWERS), data.draw(POWERS), data.draw(POWERS)
        load_kw -= data.draw(st.sampled_from((0.0, 0.0, 5.0)))  # other PV may feed the house
        step = Step(START, MINUTE_H, {"pv_kw": pv_kw}, load_kw, export_limit_kw)
        believed = execute_hybrid_inverter(spec, commands, InverterState(stored), step)
        flow = twin.dispatch(load_kw, spec.pv_share * pv_kw, export_limit_kw, grid_charge_room_kw=100.0)
        for name, kw in believed.flows.items():
            assert kw == pytest.approx(getattr(flow, name), abs=1e-6), name
        twin.minute(flow, OUTDOOR_C)
        if twin.battery is not None:
            after = of_kind(of_kind(believed.state, InverterState).battery, BatteryState)
            assert after.soc == pytest.approx(twin.battery.soc, abs=1e-9)
