"""One small model for each part and each thing that a part can do, with its text as a solver reads it."""

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from pems_strategies import ComfortFirst, LowCarbon, LowestBill, PeakShaving, SelfConsumption, balanced

from pems_core.devices import PvPlant
from pems_core.domain import NO_PEAK, HybridInverterSpec, ImportPeak, PvSpec, RoomState
from pems_core.planning.model import DispatchModel
from pems_core.planning.planner import build_model
from pems_core.protocols import Strategy

from .houses import (
    CAR,
    HOUR,
    INVERTER,
    KITCHEN,
    QUARTER,
    START,
    SmallHouse,
    battery_at,
    car,
    car_needs,
    heating,
    inverter,
    override,
    rooms_at,
    small_house,
    with_battery,
)

FOLDER = Path(__file__).parent / "lp"


@dataclass(frozen=True)
class LpCase:
    """A house whose model is compared, and in how many steps its switches are whole."""

    house: SmallHouse
    binary_steps: int = 2
    battery_value: float | None = 0.2
    heat_value: float | None = 0.1

    def model(self) -> DispatchModel:
        case = self.house
        return build_model(
            case.house, case.state, case.forecasts, self.binary_steps, self.battery_value, self.heat_value
        )


def hybrid(
    spec: HybridInverterSpec = INVERTER, soc: float = 0.5, binary_steps: int = 2, **series: float | list[float]
) -> LpCase:
    return LpCase(small_house({inverter(spec): battery_at(soc)}, {"pv_kw": 3.0, **series}), binary_steps)


def aim(strategy: Strategy, peak: ImportPeak = NO_PEAK) -> LpCase:
    priced: Mapping[str, float | list[float]] = {
        "import_price_per_kwh": [0.2, 0.6],
        "feed_in_price_per_kwh": [0.1, 0.3],
        "carbon_g_per_kwh": [100.0, 400.0],
    }
    return LpCase(small_house({heating(): rooms_at()}, priced, strategy=strategy, peak=peak), 0)


def hybrid_inverter_set_by_hand() -> LpCase:
    by_hand = [
        override("inverter", "mode", "grid_first"),
        override("inverter", "discharge_power_kw", 1.0),
        override("inverter", "charge_power_kw", 2.0, START + HOUR),
        override("inverter", "battery_charge_grid", False, START + HOUR),
        override("inverter", "grid_export", False, START + HOUR),
    ]
    return LpCase(small_house({inverter(): battery_at(0.5)}, {"pv_kw": 3.0}, overrides=by_hand))


def two_rooms() -> LpCase:
    study = replace(KITCHEN, name="study", relay_kw=1.0, neighbours={"kitchen": 0.2}, solar_m2=2.0)
    state = rooms_at(study=RoomState(18.0, 18.0, disturbance_kw=0.1))
    return LpCase(small_house({heating(KITCHEN, study): state}, {"ghi_w_m2": 500.0}), 0)


def minimum_times() -> LpCase:
    """The relay came on five minutes ago."""
    kitchen = replace(KITCHEN, min_on=timedelta(minutes=20), min_off=timedelta(minutes=20))
    state = rooms_at(kitchen=RoomState(20.0, 22.0, relay_on=True, relay_since=START - timedelta(minutes=5)))
    return LpCase(small_house({heating(kitchen): state}, steps=4, step=QUARTER), 4)


def room_set_by_hand() -> LpCase:
    by_hand = [
        override("heating", "kitchen_relay", True),
        override("heating", "kitchen_setpoint_c", 24.0, START + HOUR),
    ]
    return LpCase(small_house({heating(): rooms_at()}, overrides=by_hand))


CASES: Mapping[str, Callable[[], LpCase]] = {
    "grid": lambda: LpCase(small_house({}, {"base_load_kw": [1.0, 12.0], "feed_in_price_per_kwh": [0.3, 0.1]})),
    "pv_curtailable": lambda: LpCase(small_house({PvPlant("pv", PvSpec(0.5)): None}, {"pv_kw": [4.0, 0.0]})),
    "pv_not_curtailable": lambda: LpCase(small_house({PvPlant("pv", PvSpec(1.0, False)): None}, {"pv_kw": 2.0})),
    "inverter_without_battery": lambda: LpCase(
        small_house({inverter(HybridInverterSpec(ac_limit_kw=8.0, pv_share=0.5)): battery_at(0.5)}, {"pv_kw": 6.0})
    ),
    "hybrid_inverter": hybrid,
    "hybrid_inverter_without_sun": lambda: hybrid(pv_kw=0.0),
    "hybrid_inverter_far_steps": lambda: hybrid(binary_steps=0),
    "hybrid_inverter_negative_prices": lambda: hybrid(import_price_per_kwh=-0.1, feed_in_price_per_kwh=-0.2),
    "hybrid_inverter_paid_to_import": lambda: hybrid(
        binary_steps=1, pv_kw=10.0, import_price_per_kwh=-0.1, feed_in_price_per_kwh=-0.2
    ),
    "hybrid_inverter_with_other_pv": lambda: hybrid(replace(INVERTER, pv_share=0.5)),
    "hybrid_inverter_mode_changes": lambda: hybrid(replace(INVERTER, mode_change_cost=0.5)),
    "hybrid_inverter_price_rules": lambda: hybrid(
        replace(INVERTER, grid_charge_below_price_per_kwh=0.25, export_above_price_per_kwh=0.15),
        import_price_per_kwh=[0.2, 0.3],
        feed_in_price_per_kwh=[0.1, 0.2],
    ),
    "hybrid_inverter_set_by_hand": hybrid_inverter_set_by_hand,
    "battery_below_floor": lambda: hybrid(soc=0.1),
    "battery_above_ceiling": lambda: hybrid(soc=1.0),
    "battery_standby_and_wear": lambda: hybrid(with_battery(standby_kw=0.07, wear_cost_per_kwh=0.04)),
    "battery_taper": lambda: hybrid(
        with_battery(charge_taper=((0.5, 1.0), (0.9, 0.2)), discharge_taper=((0.2, 0.5), (0.4, 1.0)))
    ),
    "battery_value_from_prices": lambda: replace(
        hybrid(import_price_per_kwh=[0.1, 0.5]), battery_value=None, heat_value=None
    ),
    "heated_room": lambda: LpCase(small_house({heating(): rooms_at()}), 1),
    "heated_rooms_coupled": two_rooms,
    "heated_room_minimum_times": minimum_times,
    "heated_room_set_by_hand": room_set_by_hand,
    "heat_value_from_prices": lambda: replace(
        LpCase(small_house({heating(): rooms_at()}, {"import_price_per_kwh": [0.1, 0.5]}), 0), heat_value=None
    ),
    "flexible_load": lambda: LpCase(small_house({car(): car_needs(6.0, ready_by=START + HOUR)})),
    "flexible_load_on_off": lambda: LpCase(
        small_house({car(replace(CAR, on_off=True)): car_needs(6.0, available_from=START + HOUR)})
    ),
    "flexible_load_set_by_hand": lambda: LpCase(
        small_house({car(): car_needs(6.0)}, overrides=[override("car", "power_kw", 2.0)])
    ),
    "aim_lowest_bill": lambda: aim(LowestBill(capacity_charge_per_kw=4.0), ImportPeak(4.0)),
    "aim_self_consumption": lambda: aim(SelfConsumption()),
    "aim_peak_shaving": lambda: aim(PeakShaving(capacity_charge_per_kw=4.0), ImportPeak(4.0, START + HOUR)),
    "aim_comfort_first": lambda: aim(ComfortFirst()),
    "aim_low_carbon": lambda: aim(LowCarbon()),
    "aim_balanced": lambda: aim(balanced(LowestBill(), SelfConsumption(), PeakShaving(), ComfortFirst())),
}


def lp_text(model: DispatchModel) -> str:
    """The model as LP, its costs one by one as comments before it; numbers to nine digits, as machines differ."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.lp")
        model.pyomo.write(str(path), io_options={"symbolic_solver_labels": True})
        text = path.read_text()
    costs = [
        f"\\ {name} ({cost.kind} x {model.weight(cost.kind):g}): {cost.expression}\n"
        for name, cost in model.costs.items()
    ]
    body = text[text.index("min") :]
    rounded = re.sub(r"(?<![\w.])\d+\.\d+(e[+-]?\d+)?", lambda m: f"{float(m[0]):.9g}", "".join([*costs, "\n", body]))
    return re.sub(r"^= -0$", "= 0", rounded, flags=re.MULTILINE)


def expected(name: str) -> Path:
    return FOLDER / f"{name}.lp"
