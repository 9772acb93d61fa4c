"""What the gateway is told, word for word, and what becomes of it (protocols B.1, A.2, D.3)."""

import json

import pytest
from pems_growatt.inverter import HybridInverter

from pems_core.domain import NotDelivered, Stage, Value, WornOut
from pems_core.simulation.devices.oig_stick import Failed, OigStick, Request
from pems_core.simulation.devices.oig_tables import Build
from tests.brokers import Mosquitto

from .house import SPEC, House, house

COMMAND = "energy/solar/command/"


def slot(group: str, start: str, stop: str, enabled: str = "true", number: int = 1) -> str:
    said = f'"start": "{start}", "stop": "{stop}", "enabled": {enabled}, "slot": {number}'
    return f"{COMMAND}{group}/set/timeslot {{{said}}}"


async def test_charging_is_told_setting_by_setting_and_then_the_slot(mosquitto: Mosquitto) -> None:
    """Only what is not so already; stop SOC, power rate, AC charge, slot (protocols B.1, D.3)."""
    async with house(mosquitto) as home:
        receipts = await home.send_all(
            home.commands(
                {"mode": "battery_first", "stop_soc": 0.8, "charge_power_kw": 2.5, "battery_charge_grid": True}
            )
        )
        assert {receipt.stage for receipt in receipts} == {Stage.READBACK_OK}
        told = home.told()
        begins = told[-1].partition('"start": "')[2][:5]
        assert told == [
            COMMAND + 'batteryfirst/set/stopsoc {"value": 80}',
            COMMAND + 'batteryfirst/set/powerrate {"value": 25}',
            COMMAND + 'batteryfirst/set/acchargeenabled {"value": 1}',
            slot("batteryfirst", begins, "14:00"),
        ]
        assert begins in ("13:01", "13:02")
        assert home.inverter.get("holding", 1102) == 1


async def test_selling_takes_the_other_modes_slot_off_first(mosquitto: Mosquitto) -> None:
    async with house(mosquitto) as home:
        home.inverter.put("holding", 1102, 1)
        receipts = await home.send_all(
            home.commands({"mode": "grid_first", "discharge_power_kw": 3.0, "stop_soc": 0.35})
        )
        assert {receipt.stage for receipt in receipts} == {Stage.READBACK_OK}
        told = home.told()
        begins = told[-1].partition('"start": "')[2][:5]
        assert told == [
            slot("batteryfirst", "00:00", "00:00", "false"),
            COMMAND + 'gridfirst/set/stopsoc {"value": 35}',
            COMMAND + 'gridfirst/set/powerrate {"value": 60}',
            slot("gridfirst", begins, "14:00"),
        ]


async def test_tl_xh_is_told_in_its_own_words(mosquitto: Mosquitto) -> None:
    """Build 3000 has no slots that can be set: the mode is for the whole day, until it is taken back (A.4)."""
    async with house(mosquitto, build="3000") as home:
        receipts = await home.send_all(
            home.commands({"mode": "battery_first", "stop_soc": 0.8, "charge_power_kw": 5.0, "grid_export": False})
        )
        assert {receipt.stage for receipt in receipts} == {Stage.READBACK_OK}
        assert home.told() == [
            COMMAND + 'modbus/set {"id": 123, "type": "16b", "registerType": "H", "value": 0}',
            COMMAND + 'bdc/set/chargestopsoc {"value": 80}',
            COMMAND + 'bdc/set/chargepowerrate {"value": 50}',
            COMMAND + 'priority/set {"mode": 1}',
        ]
        assert [home.inverter.get("holding", address) for address in (3038, 3039)] == [40960, 5947]
        await home.send_all(home.device.release())
        assert [home.inverter.get("holding", address) for address in (3038, 3039)] == [0, 0]


async def test_release_gives_it_back_and_says_nothing_twice(mosquitto: Mosquitto) -> None:
    async with house(mosquitto) as home:
        await home.send_all(home.commands({"mode": "battery_first", "grid_export": False, "battery_charge_grid": True}))
        receipts = await home.send_all(home.device.release())
        assert {receipt.stage for receipt in receipts} == {Stage.READBACK_OK}
        assert [home.inverter.get("holding", address) for address in (1102, 1082, 1092, 123)] == [0, 0, 0, 1000]
        said = len(home.told())
        await home.send_all(home.device.release())
        assert len(home.told()) == said


@pytest.mark.parametrize("build", ["124", "307", "3000"])
@pytest.mark.parametrize("before", [1000, 500])
async def test_a_feed_in_limit_set_by_hand_holds_and_ends(mosquitto: Mosquitto, build: Build, before: int) -> None:
    """Register 123 says how much; how the plant measures (122) stays, and so does a limit that was there before."""
    async with house(mosquitto, build=build) as home:
        home.inverter.put("holding", 122, 3)
        home.inverter.put("holding", 123, before)
        for settings, limit in (
            ({"export_limit_kw": 2.0}, 200),
            ({"export_limit_kw": 4.0}, 400),
            ({"export_limit_kw": 4.0, "grid_export": False}, 0),
            ({}, before),
        ):
            receipt = await home.transport.send(home.feed_in(settings))
            assert receipt.stage is Stage.READBACK_OK
            assert (home.inverter.get("holding", 122), home.inverter.get("holding", 123)) == (3, limit)
            assert home.good("grid_export") is (limit > 0)
        written = len(home.wear.spent)
        await home.send_all(home.device.release())
        assert "holding/123" not in home.wear.spent[written:]


async def test_a_feed_in_limit_set_by_hand_never_exceeds_what_the_house_may(mosquitto: Mosquitto) -> None:
    async with house(mosquitto, export_limit_percent=70.0) as home:
        assert (await home.transport.send(home.feed_in({"export_limit_kw": 9.0}))).stage is Stage.READBACK_OK
        assert home.inverter.get("holding", 123) == 700


async def test_a_release_ends_a_feed_in_limit_that_was_set_by_hand(mosquitto: Mosquitto) -> None:
    async with house(mosquitto) as home:
        await home.transport.send(home.feed_in({"export_limit_kw": 2.0}))
        await home.send_all(home.device.release())
        assert home.inverter.get("holding", 123) == 1000


async def test_battery_modes_set_by_hand_win_over_the_plan(mosquitto: Mosquitto) -> None:
    async with house(mosquitto) as home:
        planned: dict[str, Value] = {"mode": "grid_first", "discharge_power_kw": 3.0, "stop_soc": 0.3}
        await home.send_all(home.commands(planned | {"battery_mode": "time_of_use"}))
        assert (home.inverter.get("holding", 1082), home.inverter.get("holding", 1102)) == (1, 0)
        await home.send_all(home.commands(planned | {"battery_mode": "backup"}))
        assert (home.inverter.get("holding", 1082), home.inverter.get("holding", 1102)) == (0, 1)
        assert (home.inverter.get("holding", 1091), home.inverter.get("holding", 1092)) == (100, 0)
        await home.send_all(home.commands(planned | {"battery_mode": "self_use"}))
        assert (home.inverter.get("holding", 1082), home.inverter.get("holding", 1102)) == (0, 0)


def test_a_gateway_is_offered_no_reserve() -> None:
    offered = {control.name for control in HybridInverter("inverter", SPEC).controls()}
    assert {"battery_mode", "export_limit_kw"} <= offered
    assert "reserve_soc" not in offered


async def test_each_register_that_is_written_is_counted_before(mosquitto: Mosquitto) -> None:
    async with house(mosquitto) as home:
        await home.send_all(home.commands({"mode": "battery_first", "stop_soc": 0.8}))
        assert home.wear.spent == [
            "holding/1091",
            "holding/1090",
            "holding/1100",
            "holding/1101",
            "holding/1102",
        ]


def _reads(home: House) -> list[tuple[int, str]]:
    """Register and kind of each `modbus/get`, less those that polls ask for."""
    asked = [json.loads(heard.payload) for heard in home.stick.heard if heard.name == "modbus/get"]
    return [(said["id"], said["type"]) for said in asked if said["id"] in (122, 123)]


async def test_registers_side_by_side_are_read_in_one_request(mosquitto: Mosquitto) -> None:
    """A request costs a second of the gateway's rest; `modbus/get` reads two words as one number (protocols B.1)."""
    async with house(mosquitto) as home:
        receipt = await home.transport.send(home.word("export/disable", {"grid_export": False}))
        assert receipt.stage is Stage.READBACK_OK
        assert set(_reads(home)) == {(122, "32b")}
        assert home.inverter.get("holding", 123) == 0


async def test_a_gateway_that_reads_no_pairs_is_asked_for_one_register_after_the_other(mosquitto: Mosquitto) -> None:
    async with house(mosquitto) as home:

        def singly(stick: OigStick, request: Request) -> dict[str, object]:
            if request["type"] != "16b":
                raise Failed("'type' must be '16b'")
            return stick.modbus_get(request)

        home.stick._commands = {**home.stick._commands, "modbus/get": singly}
        receipt = await home.transport.send(home.word("export/disable", {"grid_export": False}))
        assert receipt.stage is Stage.READBACK_OK
        reads = _reads(home)
        assert reads.count((122, "32b")) == 1
        assert {(122, "16b"), (123, "16b")} < set(reads)
        assert home.inverter.get("holding", 123) == 0


async def test_worn_out_memory_is_written_for_a_release_only(mosquitto: Mosquitto) -> None:
    async with house(mosquitto) as home:
        home.wear.allowed = 1
        await home.send_all(home.commands({"mode": "battery_first", "stop_soc": 0.8}))
        with pytest.raises(WornOut):
            await home.transport.send(home.word("stopsoc", {"mode": "battery_first", "stop_soc": 0.7}))
        assert home.inverter.get("holding", 1091) == 80
        await home.send_all(home.device.release())
        assert home.inverter.get("holding", 1102) == 0


async def test_refuses_what_it_must_never_write(mosquitto: Mosquitto) -> None:
    """A.7: switching off, grid code and addresses are nobody's business."""
    async with house(mosquitto) as home:
        command = home.word("export/enable", {})
        off = type(command)(
            command.id, "inverter", "mode", "mqtt", COMMAND + "modbus/set",
            '{"id": 0, "type": "16b", "registerType": "H", "value": 0}', command.expires_at,
        )  # fmt: skip
        receipt = await home.transport.send(off)
        assert receipt.stage is Stage.REJECTED
        assert receipt.detail == "modbus/set: register 0 is none that PEMS may write"
        assert home.told() == []


async def test_what_expired_while_it_waited_is_not_sent(mosquitto: Mosquitto) -> None:
    async with house(mosquitto, speed=60) as home:
        slot_word = next(c for c in reversed(home.commands({"mode": "grid_first"})) if '"enabled": true' in c.payload)
        await home.clock.sleep(150)
        with pytest.raises(NotDelivered, match="expired"):
            await home.transport.send(slot_word)
        assert home.told() == []


async def test_check_sees_what_somebody_changed_later(mosquitto: Mosquitto) -> None:
    async with house(mosquitto) as home:
        command = home.word("stopsoc", {"mode": "battery_first", "stop_soc": 0.8})
        assert (await home.transport.send(command)).stage is Stage.READBACK_OK
        assert (await home.transport.check(command)).stage is Stage.READBACK_OK
        home.inverter.put("holding", 1091, 100)
        receipt = await home.transport.check(command)
        assert receipt.stage is Stage.REVERTED
        assert receipt.detail == "read back: holding/1091 = 100"
