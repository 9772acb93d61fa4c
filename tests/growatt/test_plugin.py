"""What the plugin hands over, by what the house file says; and the controls that only people set."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pems_growatt
import pytest
from pems_growatt.inverter import HybridInverter
from pems_growatt.modbus import GrowattModbus

from pems_core.clock import SystemClock
from pems_core.config import ConfigError, MqttSection, parse_config
from pems_core.domain import (
    BatteryState,
    InverterState,
    Override,
    Plan,
    SiteState,
    Step,
    Value,
)
from pems_core.simulation.devices.small_live_house import INVERTER
from pems_core.testing import DEVICE_CONTRACT, DeviceCase
from pems_core.testing.small_house import EXTREME_PRICES, plan_alone
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.uncounted import UncountedWear
from tests.growatt.plant import NOON, PRAGUE, SELL

HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"
[grid]
import_limit_kw = 17.0
export_limit_kw = 5.0
[[pv]]
peak_kw = 7.0
tilt_deg = 35.0
azimuth_deg = 226.0
[growatt]
ac_limit_kw = 10.0
battery_kwh = 10.0
charge_limit_kw = 9.8
discharge_limit_kw = 9.8
"""
MODBUS = 'transport = "modbus"\nurl = "tcp://192.0.2.10:502"\n'
BY_HAND = {"battery_mode", "export_limit_kw", "reserve_soc"}


def transports(more: str = "") -> list[str]:
    config = parse_config(HOUSE + more, [pems_growatt.declare_config()])
    return [type(transport).__name__ for transport in pems_growatt.create_transports(config)]


@dataclass
class Limits(UncountedWear):
    """A book that hears what memory bears."""

    by_device: dict[str, tuple[int, int]] = field(default_factory=dict)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        super().__init__()

    def limit(self, device: str, per_day: int, most_per_day: int) -> None:
        self.by_device[device] = per_day, most_per_day
        self.heard.set()


@pytest.mark.parametrize("more", ["", 'transport = "modbus"\nurl = "tcp://127.0.0.1:1"\n'])
async def test_the_house_file_says_how_many_writes_the_memory_bears(more: str) -> None:
    config = parse_config(HOUSE + more + "writes_per_day = 3\nwrites_hard = 4\n", [pems_growatt.declare_config()])
    (transport,) = pems_growatt.create_transports(config)
    book = Limits()
    async with HouseLines(MqttSection(url="mqtt://127.0.0.1:1"), SystemClock(), book) as lines:
        running = asyncio.create_task(transport.run(lines))
        await asyncio.wait_for(book.heard.wait(), 10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert book.by_device == {"inverter": (3, 4)}


def device(transport: str = "modbus") -> HybridInverter:
    return HybridInverter("inverter", INVERTER, PRAGUE, "modbus" if transport == "modbus" else "oig")


def state(soc: float = 0.5, *overrides: Override) -> SiteState:
    return SiteState(NOON, {"inverter": InverterState(BatteryState(soc))}, overrides=overrides)


def by_hand(control: str, value: Value) -> Override:
    return Override("inverter", control, value, NOON, NOON + timedelta(days=2), "somebody")


def step(load_kw: float = 2.0, pv_kw: float = 0.0) -> Step:
    return Step(NOON, 0.25, {"pv_kw": pv_kw}, load_kw=load_kw, import_limit_kw=17.0, export_limit_kw=10.0)


class TestTheHouseFile:
    def test_without_the_section_there_is_nothing(self) -> None:
        config = parse_config(HOUSE[: HOUSE.index("[growatt]")], [pems_growatt.declare_config()])
        assert pems_growatt.create_transports(config) == []

    def test_names_the_gateway_or_the_bus(self) -> None:
        assert transports() == ["OigTransport"]
        assert transports(MODBUS) == ["GrowattModbus"]

    def test_may_name_grott_in_addition(self) -> None:
        assert transports('grott_topic = "energy/growatt"') == ["OigTransport", "GrottListener"]

    def test_of_a_bus_tells_the_transport_the_limits_of_the_house(self) -> None:
        config = parse_config(HOUSE + MODBUS + "unit = 3\npoll_s = 30.0\n", [pems_growatt.declare_config()])
        (transport,) = pems_growatt.create_transports(config)
        assert isinstance(transport, GrowattModbus)
        assert transport.devices == ("inverter",)
        assert transport._permissions.export_limit_percent == 50.0
        assert transport._ratings.grid_kw == 17.0
        assert transport._ratings.pv_kw == 7.0
        assert (transport._connection.unit, transport._connection.poll_s) == (3, 30.0)

    @pytest.mark.parametrize(
        ("more", "fault"),
        [
            ('transport = "modbus"', 'growatt.url: missing; transport = "modbus" needs where the inverter is'),
            (
                'url = "http://192.0.2.10"',
                (
                    "growatt.url: found 'http://192.0.2.10'; allowed: tcp://host:port, rtu+tcp://host:port or "
                    "serial:/dev/ttyUSB0?baud=9600"
                ),
            ),
            (
                'topic = "energy/#"',
                "growatt.topic: found 'energy/#'; allowed: words joined by /, without #, + or blanks",
            ),
            ("writes_per_day = 20", "growatt.writes_per_day: found 20; allowed: at most writes_hard = 18"),
            ("spacing_s = 0.2", "growatt.spacing_s: found 0.2; allowed: greater than or equal to 0.85"),
        ],
    )
    def test_that_cannot_be_is_told_with_its_place(self, more: str, fault: str) -> None:
        with pytest.raises(ConfigError) as caught:
            transports(more)
        assert caught.value.faults == (fault,)

    def test_another_topic_of_the_gateway_is_that_of_its_commands(self) -> None:
        config = parse_config(HOUSE + 'topic = "roof/sun"', [pems_growatt.declare_config()])
        (inverter,) = pems_growatt.create_devices(config)
        assert {command.address.rpartition("/command/")[0] for command in inverter.release()} == {"roof/sun"}


class TestControlsOfPeople:
    @pytest.mark.parametrize("promise", DEVICE_CONTRACT, ids=lambda promise: promise.__name__)
    def test_the_inverter_on_modbus_keeps_the_promises_of_all_devices(self, promise: object) -> None:
        assert callable(promise)
        promise(DeviceCase(device(), {"inverter/soc": (0.55, "share")}))

    def test_are_offered_where_the_transport_can_set_them(self) -> None:
        offered = {how: {control.name for control in device(how).controls()} & BY_HAND for how in ("oig", "modbus")}
        assert offered == {"oig": BY_HAND - {"reserve_soc"}, "modbus": BY_HAND}

    def test_self_use_covers_the_house_whatever_the_plan_says(self) -> None:
        settings = {**SELL, "battery_mode": "self_use"}
        done = device().execute(settings, InverterState(BatteryState(0.5)), step())
        assert done.mode == "load_first"
        assert done.flows["discharge_kw"] == pytest.approx(2.0 / INVERTER.inverting_efficiency)

    def test_backup_gives_nothing_away_and_stores_the_sun(self) -> None:
        settings: Mapping[str, Value] = {**SELL, "battery_mode": "backup"}
        full_sun = device().execute(settings, InverterState(BatteryState(0.5)), step(pv_kw=3.0))
        night = device().execute(settings, InverterState(BatteryState(0.5)), step())
        assert full_sun.flows["charge_kw"] == pytest.approx(3.0 / INVERTER.inverting_efficiency)
        assert (night.flows["discharge_kw"], night.flows["from_house_kw"]) == (0.0, 0.0)

    def test_backup_fills_the_battery_up_to_its_reserve_only(self) -> None:
        settings: Mapping[str, Value] = {"battery_mode": "backup", "reserve_soc": 0.5}
        done = device().execute(settings, InverterState(BatteryState(0.5)), step(pv_kw=3.0))
        assert done.flows["charge_kw"] == 0.0

    def test_a_reserve_is_kept_in_self_use_too(self) -> None:
        done = device().execute({"reserve_soc": 0.5}, InverterState(BatteryState(0.5)), step())
        assert done.flows["discharge_kw"] == 0.0

    def test_an_export_limit_caps_what_is_sold(self) -> None:
        done = device().execute({**SELL, "export_limit_kw": 0.5}, InverterState(BatteryState(0.9)), step())
        assert done.flows["to_house_kw"] <= 2.5 + 1e-6

    def test_a_plan_knows_the_battery_mode_that_a_person_has_set(self) -> None:
        plan = self.plan(by_hand("battery_mode", "self_use"))
        assert set(plan.modes["inverter"][: plan.binary_steps]) == {"load_first"}

    def test_a_plan_keeps_to_the_export_limit_that_a_person_has_set(self) -> None:
        free, limited = self.plan(), self.plan(by_hand("export_limit_kw", 0.5))
        assert max(free.dispatch["grid.export_kw"]) > 0.6
        assert max(limited.dispatch["grid.export_kw"]) <= 0.5 + 1e-6

    def test_a_plan_keeps_the_reserve_that_a_person_has_set(self) -> None:
        plan = self.plan(by_hand("reserve_soc", 0.5), soc=0.6)
        assert min(plan.levels["inverter.soc"]) >= 0.5 - 1e-6

    def plan(self, *overrides: Override, soc: float = 0.8) -> Plan:
        """A plan that would sell: the first of the extreme courses of prices in which it does."""
        at_noon = state(soc, *overrides)
        plans = [plan_alone(device(), at_noon, prices) for prices in EXTREME_PRICES]
        return max(plans, key=lambda plan: sum(plan.dispatch["grid.export_kw"]))
