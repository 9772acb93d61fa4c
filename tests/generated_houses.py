"""Houses nobody would build, in states nobody wants, at prices nobody has seen: what a plan must survive."""

from datetime import UTC, datetime, time, timedelta

from hypothesis import strategies as st
from pems_strategies import ComfortFirst, LowestBill, PeakShaving, SelfConsumption, rules

from pems_core.devices import PvPlant
from pems_core.domain import (
    BatterySpec,
    BatteryState,
    ComfortBand,
    ComfortSchedule,
    FlexibleLoadSpec,
    FlexibleLoadState,
    Forecast,
    Forecasts,
    GridSpec,
    HeatingState,
    Horizon,
    HybridInverterSpec,
    ImportPeak,
    InverterState,
    Override,
    PvSpec,
    RoomSpec,
    RoomState,
    SiteState,
)
from pems_core.planning.planner import PlanOptions
from pems_core.planning.site import PlannedHouse
from pems_core.protocols import Device

from .houses import QUARTER, SmallHouse, car, heating, inverter

ZONE = "Europe/Prague"
DAYS = (
    datetime(2025, 1, 15, 16, tzinfo=UTC),
    datetime(2025, 6, 21, 10, tzinfo=UTC),
    datetime(2025, 3, 29, 23, tzinfo=UTC),  # two hours before the clock goes forward
    datetime(2025, 10, 25, 23, tzinfo=UTC),  # two hours before the clock goes back
)
FLAT = ((0.0, 1.0),)
CHARGE_TAPERS = (FLAT, ((0.8, 1.0), (1.0, 0.1)), ((0.9, 1.0), (1.0, 0.0)), ((0.0, 0.2), (0.2, 1.0)))
DISCHARGE_TAPERS = (FLAT, ((0.1, 0.2), (0.3, 1.0)), ((0.1, 0.0), (0.3, 1.0)))
DERATINGS = (FLAT, ((0.0, 0.0), (15.0, 1.0)), ((0.0, 0.3), (10.0, 1.0), (40.0, 1.0), (50.0, 0.0)))
PRICE_RANGES = ((0.0, 0.5), (-0.5, 0.5), (-2.0, 5.0), (-2000.0, 5000.0), (-1.0, -0.1), (0.2, 0.2), (0.0, 0.0))
MODES = ("load_first", "battery_first", "grid_first")


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers as people write them: the bounds often, and no dust behind the third decimal."""
    return st.sampled_from((low, high)) | st.floats(low, high).map(lambda x: min(high, max(low, round(x, 3))))


def series(low: float, high: float, steps: int) -> st.SearchStrategy[tuple[float, ...]]:
    """A course that may be flat, may jump, and touches its bounds."""
    flat = numbers(low, high).map(lambda x: (x,) * steps)
    return flat | st.lists(numbers(low, high), min_size=steps, max_size=steps).map(tuple)


@st.composite
def horizons(draw: st.DrawFn) -> Horizon:
    now = draw(st.sampled_from(DAYS)) + timedelta(seconds=draw(st.sampled_from((0, 1, 300, 437, 894))))
    near = draw(st.sampled_from((90, 120, 180))) * timedelta(minutes=1)
    far = draw(st.sampled_from((2, 4, 6))) * timedelta(hours=1)
    return Horizon.lengthening(now, near + far, near)


@st.composite
def all_forecasts(draw: st.DrawFn, horizon: Horizon) -> Forecasts:
    steps = horizon.steps
    low, high = draw(st.sampled_from(PRICE_RANGES))
    buy = draw(series(low, high, steps))
    lower = draw(st.sampled_from((0.0, 0.35, -0.1))) * max(abs(low), abs(high), 0.1)
    sell = draw(st.just(tuple(price - lower for price in buy)) | series(low, high, steps))
    pv_high = draw(st.sampled_from((0.0, 0.0, 5.0, 30.0)))
    values = {
        "import_price_per_kwh": buy,
        "feed_in_price_per_kwh": sell,
        "pv_kw": draw(series(0.0, pv_high, steps)),
        "base_load_kw": draw(series(0.0, draw(st.sampled_from((0.2, 3.0, 15.0))), steps)),
        "outdoor_temperature_c": draw(series(-25.0, 38.0, steps)),
        "ghi_w_m2": draw(series(0.0, 1000.0, steps)),
    }
    return Forecasts(horizon, {name: Forecast(v, "generated", horizon.start) for name, v in values.items()})


@st.composite
def batteries(draw: st.DrawFn) -> BatterySpec:
    soc_min = draw(st.sampled_from((0.0, 0.1, 0.2, 0.5)))
    return BatterySpec(
        capacity_kwh=draw(st.sampled_from((0.05, 2.0, 10.0, 10.0, 1000.0))),
        charge_limit_kw=draw(st.sampled_from((0.1, 2.5, 9.8, 60.0))),
        discharge_limit_kw=draw(st.sampled_from((0.1, 2.5, 9.8, 60.0))),
        charge_efficiency=draw(st.sampled_from((0.5, 0.96, 1.0))),
        discharge_efficiency=draw(st.sampled_from((0.5, 0.96, 1.0))),
        soc_min=soc_min,
        soc_max=draw(st.sampled_from((soc_min + 0.05, 0.9, 1.0))),
        standby_kw=draw(st.sampled_from((0.0, 0.0, 0.02, 0.1))),
        wear_cost_per_kwh=draw(st.sampled_from((0.0, 0.05))),
        charge_taper=draw(st.sampled_from(CHARGE_TAPERS)),
        discharge_taper=draw(st.sampled_from(DISCHARGE_TAPERS)),
        temperature_derating=draw(st.sampled_from(DERATINGS)),
    )


@st.composite
def inverters(draw: st.DrawFn) -> tuple[Device, object]:
    """With or without a battery, which may be below its floor or above its ceiling."""
    battery = draw(st.none() | batteries() | batteries())
    ac_limit_kw = draw(st.sampled_from((1.0, 5.0, 10.0)))
    spec = HybridInverterSpec(
        ac_limit_kw=ac_limit_kw,
        inverting_efficiency=draw(st.sampled_from((0.9, 0.97, 0.99))),
        rectifying_efficiency=draw(st.sampled_from((0.9, 0.97, 0.99))),
        grid_charge_limit_kw=draw(st.sampled_from((0.0, 3.0, ac_limit_kw))),
        battery=battery,
        pv_share=draw(st.sampled_from((1.0, 0.5, 0.0))),
        mode_change_cost=draw(st.sampled_from((0.0, 0.01))),
        grid_charge_below_price_per_kwh=draw(st.sampled_from((None, None, 0.1))),
        export_above_price_per_kwh=draw(st.sampled_from((None, None, 0.1))),
    )
    stored = None
    if battery is not None:
        soc = draw(numbers(0.0, 1.0) | st.sampled_from((battery.soc_min, battery.soc_max)))
        stored = BatteryState(soc, draw(st.sampled_from((None, -10.0, 5.0, 20.0, 55.0))))
    return inverter(spec), InverterState(stored, draw(st.sampled_from(MODES)), draw(st.booleans()))


@st.composite
def comfort_schedules(draw: st.DrawFn) -> ComfortSchedule:
    hours = sorted({0, *draw(st.lists(st.sampled_from((1, 2, 3, 6, 22)), max_size=2))})
    bands = []
    for _ in hours:
        wanted_c = draw(st.sampled_from((16.0, 20.0, 23.0)))
        half_k = draw(st.sampled_from((0.0, 0.5, 1.0)))
        bands.append(ComfortBand(wanted_c, wanted_c - half_k, wanted_c + half_k))
    return ComfortSchedule(tuple((time(hour), band) for hour, band in zip(hours, bands, strict=True)), ZONE)


@st.composite
def heated_rooms(draw: st.DrawFn, now: datetime) -> tuple[Device, object]:
    """One to three rooms, some far from comfortable, some with a relay that has only just switched."""
    names = ("bath", "kitchen", "study")[: draw(st.integers(1, 3))]
    rooms, states = [], {}
    for name in names:
        others = [other for other in names if other < name]
        rooms.append(
            RoomSpec(
                name,
                relay_kw=draw(st.sampled_from((0.2, 1.2, 4.8))),
                comfort=draw(comfort_schedules()),
                air_kwh_per_k=draw(st.sampled_from((0.1, 0.5, 2.0))),
                slab_kwh_per_k=draw(st.sampled_from((0.1, 1.0, 5.0))),
                slab_to_air_kw_per_k=draw(st.sampled_from((0.02, 0.1, 0.5))),
                outside_kw_per_k=draw(st.sampled_from((0.005, 0.02, 0.1))),
                neighbours=dict.fromkeys(others, draw(st.sampled_from((0.01, 0.1)))),
                solar_m2=draw(st.sampled_from((0.0, 1.0))),
                internal_gain_kw=draw(st.sampled_from((0.0, 0.2))),
                min_on=draw(st.sampled_from((0, 5, 30, 60))) * timedelta(minutes=1),
                min_off=draw(st.sampled_from((0, 5, 30, 60))) * timedelta(minutes=1),
            )
        )
        ago = draw(st.sampled_from((None, 0, 4, 20, 55)))
        air_c = draw(st.sampled_from((5.0, 35.0)) | numbers(17.0, 24.0))
        states[name] = RoomState(
            air_c,
            air_c + draw(st.sampled_from((-3.0, 0.0, 5.0))),
            draw(st.sampled_from((0.0, -0.3, 0.3))),
            draw(st.booleans()),
            None if ago is None else now - ago * timedelta(minutes=1),
        )
    price = draw(st.sampled_from((0.0, 1.0, 5.0)))
    steep = price * draw(st.sampled_from((1.0, 10.0)))
    device = heating(*rooms, shallow_price=price, steep_price=steep, shallow_k=draw(st.sampled_from((0.0, 0.2))))
    return device, HeatingState(states)


@st.composite
def flexible_loads(draw: st.DrawFn, horizon: Horizon) -> tuple[Device, object]:
    highest_kw = draw(st.sampled_from((0.5, 3.7, 11.0)))
    spec = FlexibleLoadSpec(
        power_min_kw=draw(st.sampled_from((0.0, 0.4))) * highest_kw,
        power_max_kw=highest_kw,
        on_off=draw(st.booleans()),
        unserved_price_per_kwh=draw(st.sampled_from((0.1, 1.0, 100.0))),
    )
    edges = (None, horizon.start - QUARTER, *horizon.ends[:6])
    load = FlexibleLoadState(draw(numbers(0.0, 40.0)), draw(st.sampled_from(edges)), draw(st.sampled_from(edges)))
    return car(spec), load


@st.composite
def overrides(draw: st.DrawFn, device: Device, now: datetime) -> list[Override]:
    """What a person may have set on a device, each control at most once at a time."""
    found = []
    for control in device.controls():
        if draw(st.integers(0, 5)):
            continue
        choices: dict[str, st.SearchStrategy[float | str | bool]] = {
            "switch": st.booleans(),
            "choice": st.sampled_from(control.options or ("",)),
            "number": numbers(control.lowest or 0.0, control.highest or 0.0),
        }
        begins = now + draw(st.sampled_from((-60, 0, 20, 45))) * timedelta(minutes=1)
        lasts = draw(st.sampled_from((30, 75, 300))) * timedelta(minutes=1)
        value = draw(choices[str(control.kind)])
        found.append(Override(device.name, control.name, value, begins, begins + lasts, "household"))
    return found


@st.composite
def generated_houses(draw: st.DrawFn) -> SmallHouse:
    horizon = draw(horizons())
    forecasts = draw(all_forecasts(horizon))
    devices: dict[Device, object] = {}
    if draw(st.integers(0, 3)):
        devices.update([draw(inverters())])
    if draw(st.integers(0, 3)):
        devices.update([draw(heated_rooms(horizon.start))])
    if not draw(st.integers(0, 2)):
        devices.update([draw(flexible_loads(horizon))])
    if not draw(st.integers(0, 3)):
        devices[PvPlant("pv", PvSpec(draw(st.sampled_from((0.3, 1.0)))))] = None
    set_by_hand: list[Override] = []
    if not draw(st.integers(0, 2)):
        set_by_hand = [one for device in devices for one in draw(overrides(device, horizon.start))]
    strategy = draw(st.sampled_from((LowestBill(), SelfConsumption(), PeakShaving(), ComfortFirst())))
    return SmallHouse(
        house=PlannedHouse(
            grid=GridSpec(draw(st.sampled_from((0.5, 3.0, 17.0))), draw(st.sampled_from((0.0, 3.0, 10.0)))),
            devices=tuple(devices),
            strategy=strategy,
            rules=rules(),
        ),
        state=SiteState(
            horizon.start,
            {device.name: state for device, state in devices.items()},
            overrides=set_by_hand,
            peak=ImportPeak(draw(st.sampled_from((0.0, 5.0))), draw(st.sampled_from((None, horizon.starts[-1])))),
        ),
        forecasts=forecasts,
        options=PlanOptions(binary=draw(st.sampled_from((45, 90, 180))) * timedelta(minutes=1)),
    )
