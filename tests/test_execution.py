"""What the planner believes that an inverter does is what the simulated one does, minute by minute."""

import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pems_core.domain import (
    BatterySpec,
    BatteryState,
    GridSpec,
    HybridInverterSpec,
    InverterState,
    Step,
    Value,
    of_kind,
)
from pems_core.planning.parts.inverter_modes import execute_hybrid_inverter
from pems_core.planning.planner import build_model
from pems_core.simulation.twins.inverter import InverterFlow, InverterSettings, InverterTwin

from .houses import START, inverter, small_house

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


SUNNY_RULES = ("house_takes_pv_first", "pv_is_stored_first")


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_what_a_plan_rules_out_no_inverter_does(data: st.DataObject) -> None:
    """Whatever an inverter is told, what comes of it obeys the rows that keep a relaxed plan honest about PV."""
    spec = data.draw(specs())
    settings_ = data.draw(told(spec))
    soc = data.draw(st.floats(0.2, 0.9))
    pv_kw, load_kw = data.draw(POWERS), data.draw(POWERS)
    state = InverterState(BatteryState(soc) if spec.battery else None)
    case = small_house(
        {inverter(spec): state},
        {"pv_kw": pv_kw, "base_load_kw": load_kw, "import_price_per_kwh": -0.1, "feed_in_price_per_kwh": -0.3},
        steps=1,
        grid=GridSpec(20.0, 20.0),
    )
    model = build_model(case.house, case.state, case.forecasts, binary_steps=1)
    step = Step(START, 1.0, {"pv_kw": pv_kw}, load_kw, 20.0, 20.0)
    flows = execute_hybrid_inverter(spec, settings_, state, step).flows
    net_kw = load_kw + flows.get("from_house_kw", 0.0) - flows["to_house_kw"]
    model.import_kw(0).set_value(max(0.0, net_kw), skip_validation=True)
    model.export_kw(0).set_value(max(0.0, -net_kw), skip_validation=True)
    part = model.pyomo.inverter
    for name, kw in flows.items():
        if name != "curtailed_kw":
            getattr(part, name)[0].set_value(kw, skip_validation=True)
    for rule in SUNNY_RULES:
        for row in (part.component(rule) or {}).values():
            assert pyo.value(row.body) <= pyo.value(row.upper) + 1e-6, (rule, flows, settings_)
    if spec.battery:
        assert flows["from_house_kw"] <= part.from_house_kw[0].ub + 1e-3
