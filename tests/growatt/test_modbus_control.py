"""What the house can want of its inverter, in each family, against the simulated unit on a socket."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pems_growatt.control import Permissions
from pems_growatt.inverter import HybridInverter

from pems_core.clock import FastClock
from pems_core.domain import (
    BatteryState,
    InverterState,
    NotDelivered,
    NotNow,
    Receipt,
    Severity,
    SiteState,
    Stage,
    Value,
)
from pems_core.simulation.devices.growatt_inverter import SimulatedGrowatt
from pems_core.simulation.devices.growatt_settings import Family
from pems_core.simulation.devices.modbus_server import ModbusServer
from pems_core.simulation.devices.small_live_house import INVERTER, small_live_house
from pems_core.transport.house_lines import HouseLines
from tests.growatt.plant import CHARGE, HOLD, NOON, PRAGUE, SELF_USE, SELL, Plant, Wear, make_transport, plant
from tests.growatt.told import Told

FAMILIES: list[Family] = ["sph", "spa", "tl_xh", "vpp"]
EVERY = pytest.mark.parametrize("family", FAMILIES)


@EVERY
async def test_charges_from_the_grid_to_a_target_with_a_power_limit(family: Family) -> None:
    async with plant(family, soc=0.5) as house:
        receipt = await house.told_mode(CHARGE)
        await house.pass_minutes(5)
        assert receipt.stage is Stage.READBACK_OK
        assert house.value("mode") == "battery_first"
        assert house.value("battery_charge_grid") is True
        assert house.number("charge_kw") == pytest.approx(2.5, abs=0.1)
        assert house.number("import_kw") > 2.5
        assert house.number("stop_soc") == pytest.approx(0.8)


@EVERY
async def test_charging_ends_at_its_target(family: Family) -> None:
    async with plant(family, soc=0.78) as house:
        await house.tell(CHARGE)
        await house.pass_minutes(20)
        assert house.number("charge_kw") == pytest.approx(0.0, abs=0.05)
        assert house.number("soc") == pytest.approx(0.8, abs=0.011)


@EVERY
async def test_sells_from_the_battery(family: Family) -> None:
    async with plant(family) as house:
        receipt = await house.told_mode(SELL)
        await house.pass_minutes(5)
        assert receipt.stage is Stage.READBACK_OK
        assert house.value("mode") == "grid_first"
        assert house.number("discharge_kw") == pytest.approx(3.0, abs=0.1)
        assert house.number("export_kw") > 2.0


@EVERY
async def test_holds_what_the_battery_has(family: Family) -> None:
    async with plant(family, soc=0.5, base_load_kw=2.0) as house:
        await house.told_mode(HOLD)
        await house.pass_minutes(5)
        assert house.number("discharge_kw") == 0.0
        assert house.number("charge_kw") <= 0.06
        assert house.number("import_kw") == pytest.approx(2.0, abs=0.1)


@EVERY
async def test_goes_back_to_self_use(family: Family) -> None:
    async with plant(family, base_load_kw=2.0) as house:
        await house.tell(CHARGE)
        await house.pass_minutes(5)
        receipt = await house.told_mode(SELF_USE)
        await house.pass_minutes(5)
        assert receipt.stage is Stage.READBACK_OK
        assert house.value("mode") == "load_first"
        assert house.number("discharge_kw") == pytest.approx(2.0, abs=0.2)


@EVERY
async def test_a_release_gives_it_back_and_is_nothing_if_nothing_was_taken(family: Family) -> None:
    async with plant(family, base_load_kw=2.0) as house:
        await house.tell(SELL)
        await house.pass_minutes(3)
        assert {receipt.stage for receipt in await house.release()} == {Stage.READBACK_OK}
        await house.pass_minutes(3)
        assert house.value("mode") == "load_first"
        house.forget_log()
        assert {receipt.stage for receipt in await house.release()} == {Stage.READBACK_OK}
        assert house.written == []


@pytest.mark.parametrize("family", ["sph", "tl_xh"])
async def test_feed_in_is_switched_off_limited_and_on_again(family: Family) -> None:
    async with plant(family, soc=1.0, pv_kw=4.0) as house:
        before = house.holding(122)
        for settings, most_kw in (
            ({"grid_export": False}, 0.0),
            ({"grid_export": True, "export_limit_kw": 2.0}, 2.0),
            ({"grid_export": True}, 10.0),
        ):
            await house.tell({**SELF_USE, **settings})
            await house.pass_minutes(8)
            assert house.number("export_kw") <= most_kw + 0.05
            assert house.value("grid_export") is (most_kw > 0)
        assert house.number("export_kw") > 2.5
        assert house.holding(122) == before


async def test_a_unit_without_an_export_limit_says_so() -> None:
    async with plant("vpp") as house:
        assert house.value("lacks") == "grid_export"
        export, *_ = await house.tell({**SELF_USE, "grid_export": False})
        assert export.stage is Stage.REJECTED


async def test_feed_in_never_exceeds_what_the_house_may_have() -> None:
    async with plant("sph", permissions=Permissions(export_limit_percent=50.0)) as house:
        await house.release()
        assert house.holding(123) == [500]


async def test_self_use_wins_over_the_plan() -> None:
    async with plant("sph") as house:
        receipt = await house.told_mode({**SELL, "battery_mode": "self_use"})
        assert receipt.command.address == "auto"


async def test_backup_keeps_the_battery_and_fills_it_from_pv() -> None:
    settings: dict[str, Value] = {**SELL, "battery_mode": "backup", "reserve_soc": 0.9}
    async with plant("tl_xh", soc=0.5, pv_kw=3.0, base_load_kw=0.5) as house:
        await house.tell(settings)
        await house.pass_minutes(5)
        assert house.value("battery_charge_grid") is False
        assert house.number("charge_kw") > 2.0
        assert house.number("stop_soc") == pytest.approx(0.9)


async def test_time_of_use_follows_the_plan() -> None:
    async with plant("sph") as house:
        receipt = await house.told_mode({**SELL, "battery_mode": "time_of_use"})
        assert receipt.command.address == "discharge"


async def test_a_restart_does_not_forget_what_was_done_today() -> None:
    permissions = Permissions(reserve_register_checked=True)
    async with plant("sph", "52", permissions=permissions) as house:
        for reserve_soc, told in ((0.3, nullcontext()), (0.4, pytest.raises(NotNow, match="within the last 24 h"))):
            house.clock.pass_by(minutes=31)
            await house.polls(45)
            with told:
                await house.tell({**SELL, "reserve_soc": reserve_soc})
            house.restart(permissions)
        addresses = [address for address, _ in house.written]
        assert (addresses.count(45), addresses.count(608)) == (1, 1)


async def test_the_reserve_is_set_once_a_day() -> None:
    async with plant("tl_xh") as house:
        assert reserve_of(await house.tell({**SELF_USE, "reserve_soc": 0.3})).stage is Stage.READBACK_OK
        with pytest.raises(NotNow, match="once a day is allowed"):
            await house.tell({**SELF_USE, "reserve_soc": 0.4})
        assert house.holding(3067) == [30]


async def test_what_a_wrong_clock_kept_from_the_inverter_is_told_once_it_is_right(tmp_path: Path) -> None:
    """A hold is wished for hours, and nothing else: somebody sets the clock meanwhile."""
    async with plant("sph", permissions=Permissions(clock_sync=False)) as house, Told(tmp_path, house) as told:
        house.clock.pass_by(minutes=11)
        house.simulated.write(45, [2026, 1, 15, 12, 5, 0], False)
        told.saw()
        told.want(HOLD, minutes=600)
        await until(lambda: "tried again" in told.alerts)
        await told.pass_minutes(30)
        assert house.value("mode") == "load_first"
        assert "s off; slots are allowed within 60 s" in told.alerts
        local = house.clock.now().astimezone(ZoneInfo(PRAGUE))
        house.simulated.write(45, [2026, 1, 15, local.hour, local.minute, local.second], False)
        await told.pass_minutes(15)
        assert house.value("mode") == "battery_first"
        assert not told.alerts


def reserve_of(receipts: Sequence[Receipt]) -> Receipt:
    return next(receipt for receipt in receipts if receipt.command.control == "reserve_soc")


RESERVE_AT = pytest.mark.parametrize(("family", "address"), [("sph", 608), ("tl_xh", 3067), ("vpp", 30405)])
CHECKED = Permissions(reserve_register_checked=True)


@RESERVE_AT
@pytest.mark.parametrize("restarted", [False, True])
async def test_the_reserve_is_put_back_when_nobody_wants_another(family: Family, address: int, restarted: bool) -> None:
    async with plant(family, permissions=CHECKED) as house:
        before = house.holding(address)
        await house.tell({**SELF_USE, "reserve_soc": 0.5})
        assert house.holding(address) == [50] != before
        if restarted:
            house.restart(CHECKED)
            await house.polls()
        ended = reserve_of(await house.tell(SELF_USE))
        assert (ended.stage, house.holding(address)) == (Stage.READBACK_OK, before)
        house.forget_log()
        assert reserve_of(await house.release()).stage is Stage.READBACK_OK
        assert house.written == []


@RESERVE_AT
async def test_a_release_puts_the_reserve_back_whatever_was_written_today(family: Family, address: int) -> None:
    async with plant(family, permissions=CHECKED) as house:
        before = house.holding(address)
        await house.tell({**SELF_USE, "reserve_soc": 0.5})
        house.wear.budget = 0
        assert reserve_of(await house.release()).stage is Stage.READBACK_OK
        assert house.holding(address) == before


async def test_a_reserve_that_somebody_else_has_set_since_is_left_alone() -> None:
    async with plant("tl_xh") as house:
        await house.tell({**SELF_USE, "reserve_soc": 0.5})
        house.simulated.write(3067, [35], False)
        assert reserve_of(await house.release()).stage is Stage.READBACK_OK
        assert house.holding(3067) == [35]


async def test_a_reserve_that_cannot_be_told_does_not_cost_the_inverter_its_plan(tmp_path: Path) -> None:
    """Nobody has looked what register 608 of this SPH is: that word is refused, and the battery's is not."""
    async with plant("sph") as house, Told(tmp_path, house) as told:
        told.want({**CHARGE, "reserve_soc": 0.5}, by_hand=["reserve_soc"])
        await until(lambda: "reserve_soc" in told.alerts)
        await until(lambda: house.holding(1102) == [1])
        assert house.holding(1091) == [80]
        assert told.dispatcher.in_force("inverter") is not None


async def test_an_override_of_the_reserve_ends_in_the_inverter_too(tmp_path: Path) -> None:
    async with plant("sph", permissions=CHECKED) as house, Told(tmp_path, house) as told:
        before = house.holding(608)
        told.want({**CHARGE, "reserve_soc": 0.5}, by_hand=["reserve_soc"])
        await until(lambda: house.holding(608) == [50])
        told.want(CHARGE)
        await until(lambda: house.holding(608) == before)


async def test_what_was_said_still_holds_until_something_else_is_said() -> None:
    async with plant("sph") as house:
        charge = await house.told_mode(CHARGE)
        assert (await house.transport.check(charge.command)).stage is Stage.READBACK_OK
        await house.tell(SELF_USE)
        assert (await house.transport.check(charge.command)).stage is Stage.READBACK_OK
        house.simulated.put("holding", 1090, 7)
        assert (await house.transport.check(charge.command)).stage is Stage.REVERTED


async def test_settings_are_asked_for_every_four_minutes() -> None:
    """A request takes a second of the bus, in which a command would have to wait: nobody looks for what is known."""
    async with plant("sph") as house:
        house.forget_log()
        await house.polls(7, every_s=30.0)
        assert set(asked(house)) == {(0, 119), (1000, 100)}
        house.simulated.put("holding", 122, 3)
        house.simulated.put("holding", 123, 0)
        await house.polls(2, every_s=30.0)
        assert {(43, 81), (533, 76), (1009, 100)} <= set(asked(house))
        assert house.value("grid_export") is False
        assert len(asked(house)) == 2 * 9 + 3


async def test_a_setting_carries_the_time_at_which_it_was_read() -> None:
    async with plant("sph") as house:
        read_at = house.reading("grid_export").measured_at
        await house.polls(3, every_s=30.0)
        assert house.reading("grid_export").measured_at == read_at
        assert house.reading("soc").measured_at > read_at


async def test_what_was_written_and_read_back_is_known_at_once() -> None:
    async with plant("sph") as house:
        await house.tell({**CHARGE, "grid_export": False})
        house.forget_log()
        await house.polls(3, every_s=30.0)
        assert house.value("grid_export") is False
        assert set(asked(house)) == {(0, 119), (1000, 100)}


@pytest.mark.trap("3")
async def test_a_write_that_nobody_could_read_back_is_looked_at_when_it_has_settled() -> None:
    """The inverter fell silent after a write: its settings are polled again, though not within 15 s of the write."""
    async with plant("sph", timeout_s=0.05) as house:
        write = house.simulated.write

        def heard_last(address: int, values: Sequence[int], single: bool) -> None:
            write(address, values, single)
            house.simulated.answers = False

        house.simulated.write = heard_last  # type: ignore[method-assign]
        with pytest.raises(NotDelivered):
            await house.tell({**SELF_USE, "grid_export": False})
        house.simulated.answers = True
        await house.polls(2, every_s=10.0)
        assert house.value("grid_export") is False


async def test_giving_back_is_always_held_against_what_is_read_then() -> None:
    """Somebody set a slot right after the poll; whoever gives the inverter back ends it all the same."""
    async with plant("sph") as house:
        await house.tell(SELF_USE)
        await house.polls(3)
        house.simulated.put("holding", 1082, 1)
        await house.release()
        assert house.holding(1082) == [0]


@pytest.mark.trap("34")
async def test_what_is_written_is_planned_with_what_is_read_then() -> None:
    """Somebody enabled a slot of the other mode right after the poll; it is ended before the new mode begins."""
    async with plant("sph") as house:
        await house.tell(SELF_USE)
        await house.polls(3)
        house.simulated.put("holding", 1082, 1)
        await house.tell(CHARGE)
        assert house.holding(1082) == [0]


async def test_an_inverter_that_was_silent_is_asked_for_its_clock_again() -> None:
    """It may have been without power: then its clock has stood still."""
    async with plant("sph", timeout_s=0.05) as house:
        house.simulated.answers = False
        await house.polls()
        house.simulated.answers = True
        house.clock.pass_by(minutes=2)
        house.forget_log()
        await house.tell(CHARGE)
        assert (45, 6) in asked(house)


def asked(house: Plant) -> list[tuple[int, int]]:
    """Address and count of what was read."""
    return [(request.address, request.count) for request in house.requests if not request.values]


async def test_of_what_another_run_of_pems_said_nothing_is_known() -> None:
    async with plant("sph") as house:
        command = house.device.release()[0]
        assert (await house.transport.check(command)).stage is Stage.SENT


async def test_a_slot_ends_by_itself_when_pems_is_dead() -> None:
    async with plant("sph", base_load_kw=1.0) as house:
        await house.tell(SELL, minutes=30)
        house.clock.pass_by(minutes=10)
        await house.polls(2)
        assert house.value("mode") == "grid_first"
        house.clock.pass_by(minutes=25)
        await house.polls(2)
        assert house.value("mode") == "load_first"
        assert house.number("discharge_kw") == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("family", ["sph", "tl_xh", "vpp"])
async def test_a_mode_that_is_renewed_for_days_has_no_hole(family: Family) -> None:
    """Slots come again each day: one that is prolonged must not meet its own beginning, or both are ignored (31)."""
    async with plant(family, "31", "55", soc=0.5, base_load_kw=0.5) as house:
        modes: list[Value] = []
        for _ in range(4):
            assert (await house.told_mode(HOLD, minutes=12 * 60)).stage is Stage.READBACK_OK
            house.clock.pass_by(minutes=3)
            for _ in range(23):
                house.clock.pass_by(minutes=30)
                await house.polls(every_s=0.0)
                modes.append(house.value("mode"))
            house.clock.pass_by(minutes=10)
        assert set(modes) == {"battery_first"}


async def test_remote_control_ends_by_its_own_timer_when_pems_is_dead() -> None:
    async with plant("vpp") as house:
        await house.tell(SELL, minutes=10)
        house.clock.pass_by(minutes=12)
        house.simulated.live()
        assert house.holding(30407) == [0]


async def test_a_word_before_anything_answered_is_not_delivered() -> None:
    async with plant("sph", probed=False) as house:
        with pytest.raises(NotDelivered, match="was not probed yet"):
            await house.tell(SELF_USE)


async def test_a_unit_that_is_gone_is_told_and_its_readings_keep_their_age() -> None:
    async with plant("sph", timeout_s=0.05) as house:
        heard_at = house.reading("soc").measured_at
        house.simulated.answers = False
        await house.polls(4)
        assert house.value("status") == "off"
        assert house.reading("soc").measured_at == heard_at
        assert any("does not answer" in alert.text and alert.severity is Severity.WARNING for alert in house.alerts)
        house.simulated.answers = True
        house.clock.pass_by(minutes=10)
        await house.polls(3)
        assert house.value("status") == "normal"
        assert not house.alerts


async def test_another_unit_on_the_line_is_not_believed() -> None:
    """D.1: the device type is read with the settings; another one in its place is not what was asked for."""
    async with plant("sph") as house:
        house.simulated.put("holding", 43, 1234)
        house.clock.pass_by(minutes=4)
        before = house.reading("soc")
        await house.polls()
        assert house.reading("soc") == before
        assert "found device type 1234; 3502 was probed" in house.alert_texts


async def test_a_block_of_zeros_is_no_measurement() -> None:
    """A.10: a failed block comes as zeros; a state of charge of 0 would be a lie."""
    async with plant("sph") as house:
        before = house.reading("soc")
        house.simulated.refresh = lambda: [house.simulated.put("input", at, 0) for at in range(1000, 1125)]  # type: ignore[assignment, method-assign, func-returns-value]
        await house.polls()
        assert house.reading("soc") == before
        assert house.reading("pv_kw").measured_at > before.measured_at


async def test_polling_takes_few_requests() -> None:
    async with plant("sph") as house:
        house.forget_log()
        await house.polls()
        assert len(house.requests) == 2


class Mod(SimulatedGrowatt):
    """Takes slots back while AC charge is off, as a MOD does (A.4)."""

    def apply(self, address: int, values: Sequence[int], single: bool) -> None:
        super().apply(address, values, single)
        if address == 3038 and not self.get("holding", 3049):
            self.put("holding", 3038, 8192)
            self.put("holding", 3039, 5947)


async def test_a_unit_that_takes_slots_back_without_ac_charge_is_given_it() -> None:
    async with plant("tl_xh", kind=Mod) as house:
        assert (await house.told_mode(SELL)).stage is Stage.READBACK_OK
        assert house.holding(3049) == [1]
        house.clock.pass_by(minutes=3)
        await house.polls()
        assert house.value("mode") == "grid_first"
        assert (await house.told_mode(HOLD)).stage is Stage.READBACK_OK


async def test_polls_and_commands_share_the_line_while_time_passes() -> None:
    """The transport runs as in operation: polls go on while commands are carried out, on a clock 60 times as fast."""
    clock = FastClock(NOON, 60.0)
    house = small_live_house(clock, soc=0.5, rooms=())
    simulated = SimulatedGrowatt(house, clock, "sph", timezone=PRAGUE)
    device = HybridInverter("inverter", INVERTER, PRAGUE, "modbus")
    async with ModbusServer(simulated, clock) as server, HouseLines(None, clock, Wear()) as lines:
        transport = make_transport(f"tcp://127.0.0.1:{server.port}")
        running = asyncio.create_task(transport.run(lines))
        try:
            await until(lambda: "inverter/soc" in transport.readings())
            for settings, mode in ((CHARGE, "battery_first"), (SELL, "grid_first"), (SELF_USE, "load_first")):
                now = clock.now()
                state = SiteState(now, {"inverter": InverterState(BatteryState(0.5))})
                for command in device.encode(settings, now, now + timedelta(hours=1), state):
                    assert (await transport.send(command)).stage is Stage.READBACK_OK
                await until(lambda mode=mode: transport.readings()["inverter/mode"].value == mode)  # type: ignore[misc]
            await transport.beat(1)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert not transport.alerts
        spaced = [after.at_s - before.at_s for before, after in pairwise(server.log)]
        assert min(spaced) >= 0.85


async def until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110, what is waited for lies beyond a socket
            await asyncio.sleep(0.02)
