"""Rooms behind a Miniserver at a real broker: protocols C.5, C.6 and traps 72 to 92 as they show on MQTT."""

import asyncio
from datetime import timedelta

import pytest

from pems_core.domain import Quality, Stage
from pems_core.simulation.devices.miniserver_mqtt import MiniserverMqtt
from pems_core.simulation.devices.miniserver_program import AUTO
from tests.brokers import Mosquitto

from .bench import Bench, over_mqtt

HEAT, COOL = True, False
FAST = 300.0


async def ready(bench: Bench) -> None:
    """The Miniserver follows PEMS, and PEMS has heard the rooms."""
    await bench.until(lambda: bench.value("pems_ok") is True, "PEMS_OK never came up")
    await bench.until(lambda: bench.value("kitchen_relay") is not None, "no room was heard")


async def test_heats_a_room_and_sees_that_it_does(mosquitto: Mosquitto) -> None:
    async with over_mqtt(mosquitto) as bench:
        await ready(bench)
        await bench.tell("kitchen_setpoint_c", 22.5)
        await bench.tell("kitchen_relay", HEAT)
        heat = bench.encode({"kitchen_relay": HEAT})["kitchen_relay"]
        receipt = await bench.settled(heat, Stage.READBACK_OK)
        assert receipt.detail == "the Miniserver shows it"
        await bench.until(lambda: bench.value("kitchen_target_c") == 22.5)
        await bench.until(lambda: bench.value("kitchen_power_kw") == 2.0)
        assert bench.value("bathroom_target_c") == 21.0


async def test_reads_every_point_with_its_unit(mosquitto: Mosquitto) -> None:
    async with over_mqtt(mosquitto, as_json=True) as bench:
        await ready(bench)
        units = {point: reading.unit for point, reading in bench.transport.readings().items()}
        assert units == {
            "heating/pems_ok": "",
            **{f"heating/{room}_temperature_c": "°C" for room in ("kitchen", "bathroom")},
            **{f"heating/{room}_target_c": "°C" for room in ("kitchen", "bathroom")},
            **{f"heating/{room}_power_kw": "kW" for room in ("kitchen", "bathroom")},
            **{f"heating/{room}_heat_kwh": "kWh" for room in ("kitchen", "bathroom")},
            **{f"heating/{room}_{what}": "" for room in ("kitchen", "bathroom") for what in SWITCHES},
        }


SWITCHES = ("relay", "window_open", "held_by")


async def test_does_not_say_again_what_is_already_so(mosquitto: Mosquitto) -> None:
    async with over_mqtt(mosquitto) as bench:
        await ready(bench)
        await bench.tell("kitchen_relay", HEAT)
        await bench.settled(bench.encode({"kitchen_relay": HEAT})["kitchen_relay"], Stage.READBACK_OK)
        said = commands(bench)
        again = await bench.tell("kitchen_relay", HEAT)
        assert again.stage is Stage.READBACK_OK
        await bench.clock.sleep(10)
        assert commands(bench) == said


def commands(bench: Bench) -> list[tuple[str, str]]:
    """What the program has seen but heartbeats."""
    assert isinstance(bench.way, MiniserverMqtt)
    return [line for line in bench.way.heard if not line[0].endswith("heartbeat")]


async def test_a_temperature_that_does_not_change_stays_fresh_while_the_miniserver_lives(mosquitto: Mosquitto) -> None:
    """It tells temperatures when they change, and PEMS_OK each minute: protocols D.4, age counts from there."""
    async with over_mqtt(mosquitto, speed=FAST) as bench:
        bench.miniserver.sensor_says("kitchen", 21.25)
        await ready(bench)
        first = bench.reading("kitchen_temperature_c")
        assert first is not None
        later = first.measured_at + timedelta(minutes=4)

        def vouched() -> bool:
            reading = bench.reading("kitchen_temperature_c")
            return reading is not None and reading.measured_at > later and reading.quality is Quality.GOOD

        await bench.until(vouched)


async def test_an_expired_wish_is_not_sent(mosquitto: Mosquitto) -> None:
    async with over_mqtt(mosquitto) as bench:
        await ready(bench)
        heat = bench.encode({"kitchen_relay": HEAT}, timedelta(seconds=1))["kitchen_relay"]
        await bench.clock.sleep(2)
        assert (await bench.transport.send(heat)).stage is Stage.EXPIRED


async def test_release_hands_every_room_back(mosquitto: Mosquitto) -> None:
    async with over_mqtt(mosquitto) as bench:
        await ready(bench)
        await bench.tell("kitchen_setpoint_c", 23.0)
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        receipts = await bench.release()
        assert {receipt.stage for receipt in receipts} == {Stage.SENT}
        await bench.until(lambda: bench.value("kitchen_target_c") == 21.0)


async def test_a_room_of_the_miniserver_that_pems_does_not_know_is_left_alone(mosquitto: Mosquitto) -> None:
    async with over_mqtt(mosquitto, rooms=("kitchen",)) as bench:
        await ready(bench)
        assert not any("bathroom" in point for point in bench.transport.readings())


@pytest.mark.trap("72")
async def test_never_retains_a_command(mosquitto: Mosquitto) -> None:
    """A broker hands what is retained to a Miniserver that comes back: PEMS retains no command, so it finds none."""
    async with over_mqtt(mosquitto) as bench:
        await ready(bench)
        await bench.tell("kitchen_relay", HEAT)
        await bench.until(lambda: bench.miniserver.rooms["kitchen"].relay_input == 1)
        bench.beating = False
        bench.miniserver.reboot(off_s=2, starting_s=2)
        await bench.until(lambda: bench.miniserver.boots == 1 and bench.alerted("left the broker") is False)
        await bench.clock.sleep(30)
        assert isinstance(bench.way, MiniserverMqtt)
        assert bench.way.retained == []
        assert bench.miniserver.rooms["kitchen"].relay_input == AUTO


@pytest.mark.trap("74")
async def test_tells_everything_anew_after_a_reboot(mosquitto: Mosquitto) -> None:
    """A Miniserver lost its virtual inputs in a reboot; PEMS told it what still held as soon as PEMS_OK was back."""
    async with over_mqtt(mosquitto) as bench:
        await ready(bench)
        await bench.tell("kitchen_setpoint_c", 23.0)
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        bench.miniserver.reboot()
        await bench.until(lambda: bench.alerted("left the broker"))
        await bench.until(lambda: bench.value("pems_ok") is False, "the mirror never fell")
        await bench.until(lambda: bench.value("pems_ok") is True, "the heartbeat did not come back")
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        assert not bench.alerted("left the broker")


@pytest.mark.trap("81")
async def test_respects_an_open_window(mosquitto: Mosquitto) -> None:
    """A window was opened and the target fell; PEMS said so, sent nothing against it, and came back when it closed."""
    async with over_mqtt(mosquitto) as bench:
        await ready(bench)
        await bench.tell("kitchen_relay", HEAT)
        await bench.until(lambda: bench.value("kitchen_relay") is True)
        bench.miniserver.open_window("kitchen")
        await bench.until(lambda: bench.value("kitchen_held_by") == "window")
        refused = await bench.tell("kitchen_setpoint_c", 23.0)
        assert (refused.stage, refused.detail) == (Stage.REJECTED, "kitchen is held by window")
        assert (await bench.tell("bathroom_setpoint_c", 22.0)).stage is Stage.SENT
        bench.miniserver.open_window("kitchen", is_open=False)
        await bench.until(lambda: bench.value("kitchen_held_by") == "")
        assert (await bench.tell("kitchen_setpoint_c", 23.0)).stage is Stage.SENT


@pytest.mark.trap("82")
async def test_yields_to_a_person(mosquitto: Mosquitto) -> None:
    """A person set a temperature in the app; PEMS left the room to them until it ended."""
    async with over_mqtt(mosquitto) as bench:
        await ready(bench)
        bench.miniserver.user_override("kitchen", 23.5, minutes=3)
        await bench.until(lambda: bench.value("kitchen_held_by") == "user")
        assert (await bench.tell("kitchen_relay", HEAT)).stage is Stage.REJECTED
        assert bench.value("kitchen_target_c") == 23.5
        await bench.until(lambda: bench.value("kitchen_held_by") == "")
        assert (await bench.tell("kitchen_relay", HEAT)).stage is Stage.SENT


@pytest.mark.trap("84")
async def test_a_relay_that_moves_no_power_is_not_available(mosquitto: Mosquitto) -> None:
    """A relay was on and its floor's own limiter open: PEMS took the room as not available, not as broken."""
    async with over_mqtt(mosquitto, "84") as bench:
        await ready(bench)
        await bench.tell("kitchen_relay", HEAT)
        await bench.until(lambda: bench.value("kitchen_available") is False)
        assert bench.alerted("kitchen_relay", "moves no power")
        assert (await bench.transport.check(bench.encode({"kitchen_relay": HEAT})["kitchen_relay"])).stage is (
            Stage.READBACK_OK
        )


@pytest.mark.trap("85")
async def test_waits_for_the_minimum_times_of_the_miniserver(mosquitto: Mosquitto) -> None:
    """The Miniserver took "on" and followed 5 min later: PEMS called it pending, and then done."""
    async with over_mqtt(mosquitto, "85") as bench:
        await ready(bench)
        bench.miniserver.rooms["kitchen"].hold_back(bench.clock.now())
        heat = bench.encode({"kitchen_relay": HEAT})["kitchen_relay"]
        await bench.transport.send(heat)
        since = bench.clock.now()
        stages = set()
        while (receipt := await bench.transport.check(heat)).stage is not Stage.READBACK_OK:
            stages.add(receipt.stage)
            assert bench.clock.now() - since < timedelta(minutes=15), receipt
            await asyncio.sleep(0.02)
        assert stages == {Stage.SENT}
        assert bench.clock.now() - since > timedelta(minutes=4)


@pytest.mark.trap("86")
async def test_gets_through_a_gateway_that_forwards_only_changes(mosquitto: Mosquitto) -> None:
    """A gateway held back equal values after a reboot: the heartbeat counts, and the wish was there within 300 s."""
    async with over_mqtt(mosquitto, "86", gateway=True, speed=120) as bench:
        await ready(bench)
        await bench.tell("kitchen_setpoint_c", 23.0, timedelta(hours=1))
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        bench.miniserver.reboot()
        await bench.until(lambda: bench.miniserver.boots == 1)
        back_at = bench.clock.now()
        await bench.until(lambda: bench.miniserver.pems_ok, "the heartbeat did not get through")
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        assert bench.clock.now() - back_at < timedelta(seconds=420)
        wish = bench.encode({"kitchen_setpoint_c": 23.0})["kitchen_setpoint_c"]
        assert (await bench.transport.check(wish)).stage is Stage.READBACK_OK


@pytest.mark.trap("88")
async def test_reads_a_decimal_comma_and_a_unit(mosquitto: Mosquitto) -> None:
    """Temperatures came as "21,5 °C"; PEMS read 21.5."""
    async with over_mqtt(mosquitto, "88") as bench:
        await ready(bench)
        assert bench.value("kitchen_temperature_c") == pytest.approx(21.0, abs=0.3)
        assert not bench.alerted("found")


@pytest.mark.trap("89")
async def test_no_value_is_lost_between_two_looks(mosquitto: Mosquitto) -> None:
    """The Miniserver sees only the last value of 2 s; PEMS spaced three wishes so that each was seen."""
    async with over_mqtt(mosquitto, speed=20) as bench:
        await ready(bench)
        for celsius in (21.5, 22.0, 22.5):
            await bench.tell("kitchen_setpoint_c", celsius)
        await bench.until(lambda: bench.value("kitchen_target_c") == 22.5)
        assert [payload[:27] for _, payload in commands(bench)] == [
            f'{{"target_temperature": {celsius}' for celsius in (21.5, 22.0, 22.5)
        ]


@pytest.mark.trap("90")
async def test_old_values_after_a_power_cut_have_no_effect(mosquitto: Mosquitto) -> None:
    """A power cut brought an hour-old wish back; PEMS_OK stayed 0 until a new heartbeat, and the new wish came then."""
    async with over_mqtt(mosquitto, "90") as bench:
        await ready(bench)
        await bench.tell("kitchen_setpoint_c", 23.5)
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.5)
        bench.miniserver.store_remanent_values()
        await bench.tell("kitchen_setpoint_c", 20.0)
        await bench.until(lambda: bench.value("kitchen_target_c") == 20.0)
        bench.beating = False
        bench.miniserver.reboot(off_s=2, starting_s=2)
        await bench.until(lambda: bench.miniserver.boots == 1)
        await bench.until(lambda: bench.value("pems_ok") is False)
        assert bench.miniserver.rooms["kitchen"].setpoint_input == 23.5
        assert bench.miniserver.view("kitchen").target_c == 21.0
        bench.beating = True
        await bench.until(lambda: bench.value("kitchen_target_c") == 20.0)


@pytest.mark.trap("91")
async def test_leaves_a_room_with_a_stuck_sensor_to_its_own_thermostat(mosquitto: Mosquitto) -> None:
    """A sensor said 20.0 for hours: PEMS believed it no more, said so, and handed the room back."""
    async with over_mqtt(mosquitto, "91", speed=FAST, text="sensor_stuck_hours = 0.4\n") as bench:
        await ready(bench)
        await bench.tell("kitchen_setpoint_c", 23.0, timedelta(hours=2))
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        await bench.until(lambda: bench.alerted("kitchen_temperature_c", "unchanged"))
        reading = bench.reading("kitchen_temperature_c")
        assert reading is not None
        assert reading.quality is Quality.SUSPECT
        await bench.until(lambda: bench.value("kitchen_target_c") == 21.0)
        assert (await bench.tell("kitchen_setpoint_c", 23.0)).stage is Stage.REJECTED


@pytest.mark.trap("91")
@pytest.mark.parametrize("lost_c", [-127.0, 85.0])
async def test_believes_no_spike(mosquitto: Mosquitto, lost_c: float) -> None:
    """A sensor said -127 or 85 °C once: the reading was suspect, and good again with the next value."""
    async with over_mqtt(mosquitto) as bench:
        await ready(bench)
        bench.miniserver.sensor_says("kitchen", lost_c)
        await bench.until(lambda: quality(bench) is Quality.SUSPECT)
        assert (await bench.tell("kitchen_relay", HEAT)).stage is Stage.SENT
        bench.miniserver.sensor_says("kitchen", None)
        await bench.until(lambda: quality(bench) is Quality.GOOD)


def quality(bench: Bench) -> Quality:
    reading = bench.reading("kitchen_temperature_c")
    assert reading is not None
    return reading.quality


@pytest.mark.trap("92")
async def test_rooms_are_local_when_the_loop_is_not_well(mosquitto: Mosquitto) -> None:
    """The loop hung while the process lived: no beat was sent, and the rooms were local within 5 min."""
    async with over_mqtt(mosquitto, speed=120) as bench:
        await ready(bench)
        await bench.tell("kitchen_setpoint_c", 23.0, timedelta(hours=1))
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        bench.beating = False
        since = bench.clock.now()
        await bench.until(lambda: bench.value("pems_ok") is False)
        assert bench.clock.now() - since < timedelta(minutes=7)
        await bench.until(lambda: bench.value("kitchen_target_c") == 21.0)
        assert bench.alerted("pems_ok", "PEMS_OK is 0")
