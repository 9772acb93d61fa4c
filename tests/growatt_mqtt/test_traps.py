"""Ways in which gateways, brokers and bridges mislead, played on a real broker (protocols E.2 and E.5)."""

import asyncio
import json
from datetime import timedelta

import aiomqtt
import pytest

from pems_core.domain import (
    BatteryState,
    Command,
    InverterState,
    NotDelivered,
    Quality,
    SiteState,
    Stage,
    Value,
)
from pems_core.simulation.devices.oig_tables import Build
from pems_core.simulation.devices.traps import Traps
from tests.brokers import Mosquitto

from .house import NOON, House, house, until

ON_METER, ON_CLAMPS = 1, 3


def charge_to(home: House, soc: float) -> Command:
    return home.word("stopsoc", {"mode": "battery_first", "stop_soc": soc})


async def publish(mosquitto: Mosquitto, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish(topic, payload, qos=1, retain=retain)


@pytest.mark.trap("36b")
@pytest.mark.parametrize("build", ["124", "307", "3000"])
async def test_a_plant_with_clamps_keeps_its_export_control(mosquitto: Mosquitto, build: Build) -> None:
    """`export/disable` would make the inverter measure by RS485 (122 = 1); PEMS writes the limit (123) alone."""
    async with house(mosquitto, build=build) as home:
        home.inverter.put("holding", 122, ON_CLAMPS)
        receipt = await home.transport.send(home.word("export/disable", {"grid_export": False}))
        assert receipt.stage is Stage.READBACK_OK
        assert home.inverter.get("holding", 122) == ON_CLAMPS
        assert home.inverter.get("holding", 123) == 0
        assert home.good("grid_export") is False
        assert home.wear.spent == ["holding/123"]
        receipt = await home.transport.send(home.word("export/enable", {"grid_export": True}))
        assert receipt.stage is Stage.READBACK_OK
        assert (home.inverter.get("holding", 122), home.inverter.get("holding", 123)) == (ON_CLAMPS, 1000)


@pytest.mark.trap("36b")
@pytest.mark.parametrize(("sensor", "mode"), [(0, ON_CLAMPS), (1, ON_CLAMPS), (2, ON_METER)])
async def test_a_limit_that_was_off_is_measured_as_the_plant_is_wired(
    mosquitto: Mosquitto, sensor: int, mode: int
) -> None:
    """No limit was set (122 = 0) and the gateway would take RS485; PEMS asks the inverter for its sensor (1037)."""
    async with house(mosquitto) as home:
        home.inverter.put("holding", 122, 0)
        home.inverter.put("holding", 1037, sensor)
        receipt = await home.transport.send(home.word("export/disable", {"grid_export": False}))
        assert receipt.stage is Stage.READBACK_OK
        assert (home.inverter.get("holding", 122), home.inverter.get("holding", 123)) == (mode, 0)


async def test_feed_in_is_never_allowed_beyond_what_the_house_may(mosquitto: Mosquitto) -> None:
    """D.6: the limit stays at the legal one; a lower one that somebody set stays too."""
    async with house(mosquitto, export_limit_percent=70.0) as home:
        home.inverter.put("holding", 123, 0)
        assert (await home.transport.send(home.word("export/enable", {}))).stage is Stage.READBACK_OK
        assert home.inverter.get("holding", 123) == 700
        home.inverter.put("holding", 123, 500)
        assert (await home.transport.check(home.word("export/enable", {}))).stage is Stage.READBACK_OK


@pytest.mark.trap("36b")
async def test_an_unknown_sensor_is_not_guessed(mosquitto: Mosquitto) -> None:
    """The inverter does not say how it measures; PEMS refuses to limit feed-in rather than break its control."""
    async with house(mosquitto) as home:
        home.inverter.put("holding", 122, 0)
        home.inverter.put("holding", 1037, 7)
        receipt = await home.transport.send(home.word("export/disable", {"grid_export": False}))
        assert receipt.stage is Stage.REJECTED
        assert "holding/1037) is 7" in receipt.detail
        assert home.inverter.get("holding", 122) == 0


@pytest.mark.trap("36")
async def test_what_is_so_already_is_not_written_again(mosquitto: Mosquitto) -> None:
    """Each write wears, an unchanged one too; the second time PEMS reads that all is as wished and writes nothing."""
    async with house(mosquitto) as home:
        charging = home.commands({"mode": "battery_first", "stop_soc": 0.8})
        await home.send_all(charging)
        written = home.inverter.writes.total()
        await home.send_all(charging)
        assert home.inverter.writes.total() == written


@pytest.mark.trap("36")
async def test_a_running_slot_that_ends_alike_is_left_alone(mosquitto: Mosquitto) -> None:
    """A re-sent slot pauses for a minute and wears; a quarter of an hour later the running one does the same."""
    async with house(mosquitto) as home:
        home.inverter.put("holding", 1100, 12 << 8 | 45)
        home.inverter.put("holding", 1101, 14 << 8)
        home.inverter.put("holding", 1102, 1)
        begins = home.clock.now() + timedelta(minutes=1)
        settings: dict[str, Value] = {"mode": "battery_first", "stop_soc": 0.8}
        state = SiteState(home.clock.now(), {"inverter": InverterState(BatteryState(0.5))})
        commands = home.device.encode(settings, begins, NOON + timedelta(hours=1), state)
        receipts = await home.send_all([c for c in commands if c.address.endswith("batteryfirst/set/timeslot")])
        assert {receipt.stage for receipt in receipts} == {Stage.READBACK_OK}
        assert not home.inverter.writes


@pytest.mark.trap("57")
async def test_telemetry_that_the_broker_kept_is_not_good(mosquitto: Mosquitto) -> None:
    """On subscribing the broker delivers JSON of any age; PEMS shows it as stale."""
    old = {"InverterStatus": 5, "SOC": 77, "Cnt": 10, "Uptime": 50}
    await publish(mosquitto, "energy/solar", json.dumps(old), retain=True)
    async with house(mosquitto, stick_runs=False) as home:
        await until(lambda: home.reading("soc"), "the retained telemetry")
        reading = home.reading("soc")
        assert reading is not None
        assert reading.value == pytest.approx(0.77)
        assert reading.quality is Quality.STALE
        # The same once more, by a broker that does not say it is old.
        await publish(mosquitto, "energy/solar", json.dumps(old))
        await publish(mosquitto, "energy/solar/result", "end of the test")
        await until(lambda: home.transport.alerts, "the broken result")
        assert home.good("soc") is None


@pytest.mark.trap("57")
async def test_a_gateway_that_repeats_itself_grows_old(mosquitto: Mosquitto) -> None:
    """The stick hangs and publishes the same JSON for ever; its readings keep the age of the first."""
    async with house(mosquitto) as home:
        home.traps.set("57")
        await home.clock.sleep(20)
        reading = home.reading("soc")
        await home.clock.sleep(130)
        assert home.reading("soc") == reading
        assert any("no new telemetry" in alert.text for alert in home.transport.alerts)


@pytest.mark.trap("58")
async def test_the_last_will_makes_readings_missing_not_zero(mosquitto: Mosquitto) -> None:
    """The stick dies and the broker puts `{"InverterStatus": -1 }` in place of all fields."""
    async with house(mosquitto) as home:
        home.traps.set("58")
        home.stick.cut()
        await until(lambda: any("last will" in alert.text for alert in home.transport.alerts), "the alert")
        known = home.transport.readings()
        assert known
        assert {reading.quality for reading in known.values()} == {Quality.MISSING}
        assert known["inverter/soc"].value == pytest.approx(0.6)
        with pytest.raises(NotDelivered, match="away"):
            await home.transport.send(charge_to(home, 0.8))
        home.traps.clear("58")
        await until(lambda: home.good("soc"), "telemetry after the return")
        assert not any("last will" in alert.text for alert in home.transport.alerts)


@pytest.mark.trap("59")
async def test_the_result_of_an_earlier_command_is_no_answer(mosquitto: Mosquitto) -> None:
    """The broker keeps the last result and the stick repeats it; PEMS goes by correlation and by retain flag."""
    async with house(mosquitto, traps=Traps("59")) as home:
        command = charge_to(home, 0.8)
        old = {"correlationId": command.id, "command": "batteryfirst/set/stopsoc", "success": False, "message": "old"}
        await publish(mosquitto, "energy/solar/result", json.dumps(old), retain=True)
        assert (await home.transport.send(command)).stage is Stage.READBACK_OK
        assert (await home.transport.send(charge_to(home, 0.7))).stage is Stage.READBACK_OK
        assert home.inverter.get("holding", 1091) == 70


@pytest.mark.trap("59")
async def test_a_result_that_the_broker_kept_answers_no_open_request(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result of this very command is delivered anew while its repetition waits; PEMS does not take it."""
    monkeypatch.setattr("pems_growatt.oig_gateway.ANSWER_WITHIN_S", 1.0)
    async with house(mosquitto) as home:
        command = charge_to(home, 0.8)
        kept = {"correlationId": command.id, "command": "batteryfirst/set/stopsoc", "success": False, "message": "kept"}
        await home.transport.check(command)
        home.stick.lose_next("batteryfirst/set/stopsoc", executed=False)
        await publish(mosquitto, "energy/solar/result", json.dumps(kept), retain=True)
        sending = asyncio.ensure_future(home.transport.send(command))
        await until(lambda: not home.stick.waits_to_lose, "the request")
        async with home.lines.mqtt.messages("energy/solar/#"):
            with pytest.raises(NotDelivered, match="no answer within"):
                await sending


@pytest.mark.trap("60")
async def test_one_request_is_in_flight_at_a_time(mosquitto: Mosquitto) -> None:
    """Replies of two equal requests would be swapped; PEMS never has two, whoever asks."""
    async with house(mosquitto, traps=Traps("60"), speed=60) as home:
        command = charge_to(home, 0.8)
        receipts = await asyncio.gather(
            *(home.transport.check(command) for _ in range(3)), home.transport.send(command)
        )
        assert receipts[-1].stage is Stage.READBACK_OK
        assert home.stick.most_waiting == 1


@pytest.mark.trap("61")
async def test_a_lost_result_is_made_up_for_by_reading_back(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write was executed and its result lost; PEMS reads back and does not write twice."""
    monkeypatch.setattr("pems_growatt.oig_gateway.ANSWER_WITHIN_S", 0.5)
    async with house(mosquitto) as home:
        await until(lambda: home.good("stop_soc") is not None or home.good("grid_export") is not None, "settings")
        home.stick.lose_next("batteryfirst/set/stopsoc")
        receipt = await home.transport.send(charge_to(home, 0.8))
        assert (receipt.stage, receipt.detail) == (Stage.READBACK_OK, "no reply came, but it is so")
        assert home.inverter.writes[1091] == 1


@pytest.mark.trap("61")
async def test_a_lost_request_is_not_taken_for_done(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was executed and no result came; PEMS says that it was not delivered."""
    monkeypatch.setattr("pems_growatt.oig_gateway.ANSWER_WITHIN_S", 0.5)
    async with house(mosquitto) as home:
        home.stick.lose_next("batteryfirst/set/stopsoc", executed=False)
        with pytest.raises(NotDelivered, match="holding/1091 = 0"):
            await home.transport.send(charge_to(home, 0.8))
        assert (await home.transport.send(charge_to(home, 0.8))).stage is Stage.READBACK_OK


@pytest.mark.trap("61")
async def test_lost_telemetry_only_ages(mosquitto: Mosquitto) -> None:
    """Some messages at QoS 0 get lost; what was heard before keeps its time, and the next is taken."""
    async with house(mosquitto, traps=Traps("61")) as home:
        home.stick.lost_share = 0.5
        first = home.reading("soc")
        assert first is not None
        await until(lambda: (home.reading("soc") or first).measured_at > first.measured_at, "newer telemetry")
        assert home.good("soc") is not None


@pytest.mark.trap("62")
async def test_a_request_beyond_the_gateways_buffer_is_not_sent(mosquitto: Mosquitto) -> None:
    """More than 256 bytes vanish without a trace; PEMS refuses to send them."""
    async with house(mosquitto) as home:
        command = charge_to(home, 0.8)
        long = Command("x" * 240, "inverter", "stop_soc", "mqtt", command.address, command.payload, command.expires_at)
        receipt = await home.transport.send(long)
        assert receipt.stage is Stage.REJECTED
        assert "at most 256 are allowed" in receipt.detail
        assert home.told() == []


@pytest.mark.trap("63")
async def test_no_request_is_empty(mosquitto: Mosquitto) -> None:
    """An empty payload is answered with EmptyInput; PEMS sends a JSON object with every request."""
    async with house(mosquitto) as home:
        await home.send_all(home.commands({"mode": "battery_first", "grid_export": False}))
        assert home.stick.heard
        assert all(json.loads(heard.payload)["correlationId"] for heard in home.stick.heard)


@pytest.mark.trap("64")
async def test_success_without_effect_is_no_success(mosquitto: Mosquitto) -> None:
    """The gateway says `success` and the register stays as it was; PEMS reads back and says so."""
    async with house(mosquitto) as home:
        home.traps.set("64")
        receipt = await home.transport.send(charge_to(home, 0.8))
        assert (receipt.stage, receipt.detail) == (Stage.NO_EFFECT, "read back: holding/1091 = 0")


@pytest.mark.trap("64")
async def test_a_gateway_that_verifies_says_it_itself(mosquitto: Mosquitto) -> None:
    """Build 307 reads back and refuses; PEMS takes its word."""
    async with house(mosquitto, build="307") as home:
        home.inverter.ignores = 1091
        receipt = await home.transport.send(charge_to(home, 0.8))
        assert (receipt.stage, receipt.detail) == (Stage.REJECTED, "batteryfirst/set/stopsoc: verify failed")


@pytest.mark.trap("65")
async def test_what_comes_twice_counts_once(mosquitto: Mosquitto) -> None:
    """Telemetry, commands and results are delivered twice; readings keep their time, commands their meaning."""
    async with house(mosquitto, traps=Traps("65")) as home:
        receipts = await home.send_all(home.commands({"mode": "battery_first", "stop_soc": 0.8}))
        assert {receipt.stage for receipt in receipts} == {Stage.READBACK_OK}
        assert home.inverter.get("holding", 1091) == 80
        assert home.transport.alerts == ()


@pytest.mark.trap("70")
async def test_a_poll_that_failed_leaves_the_readings_to_age(mosquitto: Mosquitto) -> None:
    """A fragment failed and nothing is published; PEMS neither invents zeros nor renews the age."""
    async with house(mosquitto) as home:
        home.traps.set("70")
        await home.clock.sleep(20)
        before = home.reading("soc")
        await home.clock.sleep(60)
        assert home.reading("soc") == before
        home.traps.clear("70")
        await until(lambda: home.reading("soc") != before, "telemetry again")


@pytest.mark.trap("71")
async def test_broken_fields_are_missing_and_named(mosquitto: Mosquitto) -> None:
    """SOC comes as text, temperature as null, a power as NaN, another not at all: text is read, the rest is missing."""
    async with house(mosquitto) as home:
        home.traps.set("71")
        await until(lambda: len(home.transport.alerts) == 3, "three alerts")
        assert home.good("soc") == pytest.approx(0.6)
        told = {alert.place: alert.text for alert in home.transport.alerts}
        assert told == {
            "inverter/battery_temperature_c": "BatteryTemperature: found None; a number is needed",
            "inverter/charge_kw": "ChargePower: found nan; a finite number is needed",
            "inverter/discharge_kw": "DischargePower: found None; a number is needed",
        }
        for point in ("battery_temperature_c", "charge_kw", "discharge_kw"):
            reading = home.reading(point)
            assert reading is not None
            assert reading.quality is Quality.MISSING


@pytest.mark.trap("72")
async def test_no_command_stays_at_the_broker(mosquitto: Mosquitto) -> None:
    """A retained command would be carried out at the stick's next start; PEMS retains none."""
    async with house(mosquitto) as home:
        await home.send_all(home.commands({"mode": "battery_first", "stop_soc": 0.8}))
        heard = len(home.stick.heard)
        home.stick.connected.clear()
        home.stick.restart()
        await until(home.stick.connected.is_set, "the stick's return")
        await home.clock.sleep(20)
        assert not [packet for packet in home.stick.heard[heard:] if packet.retained]
