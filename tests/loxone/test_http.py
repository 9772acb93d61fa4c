"""Rooms behind a Miniserver's web server: protocols C.1, C.3 and traps 73 to 88 as they show over HTTP."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from pems_heating_loxone.encoding import OverrideWords
from pems_heating_loxone.http import LoxoneHttp

from pems_core.domain import NotDelivered, Stage
from pems_core.simulation.devices.miniserver_controller import loxone_time, loxone_uuid
from pems_core.simulation.devices.miniserver_http import MiniserverHttp

from .bench import Bench, over_http, running

HEAT = True
KITCHEN = loxone_uuid("kitchen")


async def ready(bench: Bench) -> None:
    await bench.until(lambda: bench.value("bathroom_relay") is not None, "no room was read")
    if bench.transport._settings.http_writes == "inputs":
        await bench.until(lambda: bench.value("pems_ok") is True, "PEMS_OK never came up")


def server(bench: Bench) -> MiniserverHttp:
    assert isinstance(bench.way, MiniserverHttp)
    return bench.way


def wishes(bench: Bench) -> Sequence[str]:
    """What was written but heartbeats."""
    return [path for path in server(bench).written if not path.startswith("pems_heartbeat")]


@asynccontextmanager
async def another_process(bench: Bench) -> AsyncIterator[LoxoneHttp]:
    """The same house's transport with nothing in its memory, and with the book of what was changed."""
    engine = bench.transport
    assert isinstance(engine, LoxoneHttp)
    assert engine._overrides is not None
    made = LoxoneHttp(bench.device.name, engine._settings, OverrideWords(engine._url, engine._overrides.uuids))
    async with running(made.run(engine.lines)):
        await bench.clock.sleep(1.0)
        yield made


class TestVirtualInputs:
    async def test_heat_a_room_and_show_that_they_do(self) -> None:
        async with over_http() as bench:
            await ready(bench)
            assert (await bench.tell("kitchen_setpoint_c", 22.5)).stage is Stage.ACKED
            assert (await bench.tell("kitchen_relay", HEAT)).stage is Stage.ACKED
            assert wishes(bench) == ["pems_kitchen_setpoint_c/22.5", "pems_kitchen_relay/1"]
            heat = bench.encode({"kitchen_relay": HEAT})["kitchen_relay"]
            await bench.settled(heat, Stage.READBACK_OK)
            await bench.until(lambda: bench.value("kitchen_target_c") == 22.5)
            await bench.until(lambda: bench.value("kitchen_power_kw") == 2.0)

    async def test_are_written_no_more_than_once_a_second_and_in_30_s_each(self) -> None:
        async with over_http(speed=10) as bench:
            await ready(bench)
            began = bench.clock.elapsed_s()
            await bench.tell("kitchen_setpoint_c", 22.5)
            await bench.tell("kitchen_relay", HEAT)
            await bench.tell("bathroom_relay", HEAT)
            assert bench.clock.elapsed_s() - began >= 2.0
            with pytest.raises(NotDelivered, match="was written a moment ago"):
                await bench.tell("kitchen_setpoint_c", 20.0)
            assert len(wishes(bench)) == 3

    async def test_are_handed_back_at_any_time(self) -> None:
        async with over_http() as bench:
            await ready(bench)
            await bench.tell("kitchen_setpoint_c", 22.5)
            assert {receipt.stage for receipt in await bench.release()} == {Stage.ACKED}
            room = bench.miniserver.rooms["kitchen"]
            assert (room.setpoint_input, room.relay_input) == (0.0, -1.0)

    async def test_that_are_missing_are_told(self) -> None:
        async with over_http() as bench:
            await ready(bench)
            heat = bench.encode({"kitchen_relay": HEAT})["kitchen_relay"]
            unknown = replace(heat, address=f"{server(bench).url}/jdev/sps/io/nothing")
            receipt = await bench.transport.send(unknown)
            assert receipt.stage is Stage.REJECTED
            assert bench.alerted("nothing", "does not know it")


class TestOverrides:
    async def test_last_three_control_steps_at_most(self) -> None:
        async with over_http(overrides=True) as bench:
            await ready(bench)
            assert (await bench.tell("kitchen_setpoint_c", 23.0, timedelta(hours=3))).stage is Stage.ACKED
            said = re.fullmatch(rf"{KITCHEN}/override/3/(\d+)/23", wishes(bench)[-1])
            assert said is not None
            left_s = int(said[1]) - loxone_time(bench.clock.now())
            assert timedelta(minutes=40) < timedelta(seconds=left_s) <= timedelta(minutes=45)
            wish = bench.encode({"kitchen_setpoint_c": 23.0})["kitchen_setpoint_c"]
            await bench.settled(wish, Stage.READBACK_OK)
            assert (await bench.tell("kitchen_setpoint_c", 23.0)).detail == "already so; not said again"

    @pytest.mark.trap("83")
    @pytest.mark.trap("92")
    async def test_are_renewed_while_the_loop_is_well_and_then_end(self) -> None:
        """An override ends at its time: PEMS renewed it before while its loop was well; then it ended by itself."""
        async with over_http(overrides=True, speed=600) as bench:
            await ready(bench)
            await bench.tell("kitchen_setpoint_c", 23.0, timedelta(hours=9))
            await bench.until(lambda: len(wishes(bench)) == 3, "it was not renewed")
            since = bench.clock.now()
            bench.beating = False
            await bench.until(lambda: bench.value("kitchen_target_c") == 21.0, "it never ended")
            assert timedelta(minutes=30) < bench.clock.now() - since < timedelta(minutes=55)
            assert len(wishes(bench)) == 3

    @pytest.mark.trap("83")
    async def test_that_somebody_replaced_are_seen_as_reverted_or_held(self) -> None:
        """A person stopped the override in the app: PEMS saw its wish reverted and did not write against it."""
        async with over_http(overrides=True) as bench:
            await ready(bench)
            await bench.tell("kitchen_setpoint_c", 23.0)
            wish = bench.encode({"kitchen_setpoint_c": 23.0})["kitchen_setpoint_c"]
            await bench.settled(wish, Stage.READBACK_OK)
            bench.miniserver.stop_override("kitchen")
            await bench.settled(wish, Stage.REVERTED)
            assert len(wishes(bench)) == 1

    async def test_of_others_are_never_stopped(self) -> None:
        async with over_http(overrides=True) as bench:
            await ready(bench)
            bench.miniserver.user_override("kitchen", 23.5)
            await bench.until(lambda: bench.value("kitchen_held_by") == "user")
            await bench.release()
            assert wishes(bench) == []
            assert bench.miniserver.view("kitchen").target_c == 23.5

    async def test_of_pems_are_stopped_by_release(self) -> None:
        async with over_http(overrides=True) as bench:
            await ready(bench)
            await bench.tell("kitchen_setpoint_c", 23.0)
            await bench.release()
            assert wishes(bench)[-1] == f"{KITCHEN}/stopOverride"
            assert bench.miniserver.view("kitchen").target_c == 21.0

    async def test_of_an_engine_that_died_are_stopped_by_whoever_gives_its_devices_back(self) -> None:
        async with over_http(overrides=True) as bench:
            await ready(bench)
            await bench.tell("kitchen_setpoint_c", 23.0)
            async with another_process(bench) as guard:
                receipts = [await guard.send(command) for command in bench.device.release()]
            assert {receipt.stage for receipt in receipts} == {Stage.ACKED}
            assert wishes(bench)[-1] == f"{KITCHEN}/stopOverride"
            assert bench.miniserver.view("kitchen").target_c == 21.0
            assert sum(path.endswith("stopOverride") for path in wishes(bench)) == 1

    async def test_are_known_again_after_a_restart(self) -> None:
        async with over_http(overrides=True) as bench:
            await ready(bench)
            await bench.tell("kitchen_setpoint_c", 23.0)
            async with another_process(bench) as restarted:
                await bench.until(lambda: "heating/kitchen_held_by" in restarted.readings(), "no room was read")
                assert restarted.readings()["heating/kitchen_held_by"].value == ""

    async def test_that_somebody_put_in_their_place_are_not_stopped(self) -> None:
        async with over_http(overrides=True) as bench:
            await ready(bench)
            await bench.tell("kitchen_setpoint_c", 23.0)
            bench.miniserver.user_override("kitchen", 23.5)
            async with another_process(bench) as guard:
                for command in bench.device.release():
                    await guard.send(command)
            await bench.release()
            assert not any(path.endswith("stopOverride") for path in wishes(bench))
            assert bench.miniserver.view("kitchen").target_c == 23.5

    @pytest.mark.trap("78")
    async def test_that_are_stored_without_effect_are_told(self) -> None:
        """The controller took the wish, answered 200 and went on by its schedule: `no_effect`, and no second try."""
        async with over_http("78", overrides=True) as bench:
            await ready(bench)
            wish = bench.encode({"kitchen_setpoint_c": 23.0})["kitchen_setpoint_c"]
            await bench.transport.send(wish)
            receipt = await bench.settled(wish, Stage.NO_EFFECT)
            assert "not followed" in receipt.detail
            assert len(wishes(bench)) == 1

    @pytest.mark.trap("80")
    async def test_are_not_tried_where_the_program_ignores_them(self) -> None:
        """The comfort temperature is wired in the program, which answers 200 and ignores PEMS: told as `ignored`."""
        async with over_http("80", overrides=True) as bench:
            await ready(bench)
            await bench.until(lambda: bench.value("kitchen_held_by") == "ignored")
            receipt = await bench.tell("kitchen_setpoint_c", 23.0)
            assert (receipt.stage, receipt.detail) == (Stage.REJECTED, "kitchen is held by ignored")

    @pytest.mark.trap("79")
    async def test_never_send_an_offset_or_what_outlives_them(self) -> None:
        """`setComfortModeTemp/22` would have made 43 °C: PEMS writes nothing but overrides, and none out of range."""
        async with over_http(overrides=True) as bench:
            await ready(bench)
            wish = bench.encode({"kitchen_setpoint_c": 22.0})["kitchen_setpoint_c"]
            hot = replace(wish, payload=wish.payload.replace("/22", "/43"))
            receipt = await bench.transport.send(hot)
            assert (receipt.stage, receipt.detail) == (Stage.REJECTED, "found 43 °C; allowed: 16 to 24")
            for words in ("setComfortModeTemp/22", "setManualTemperature/22", "setOperatingMode/3", "Pulse"):
                other = replace(wish, payload=words)
                assert (await bench.transport._write(other)) is not None
            assert wishes(bench) == []
            bench.miniserver.rooms["kitchen"].controller.command(["setComfortModeTemp", "22"], bench.clock.now())
            assert bench.miniserver.view("kitchen").target_c == 43.0


@pytest.mark.trap("73")
async def test_waits_when_it_is_blocked() -> None:
    """The password is wrong: PEMS tried less and less often, and asked nothing while it was blocked."""
    async with over_http(password="other", speed=120) as bench:  # noqa: S106 - a simulated one
        await bench.until(lambda: bench.alerted("refuses the login"))
        with pytest.raises(NotDelivered, match="next try in"):
            await bench.tell("kitchen_relay", HEAT)
        await bench.clock.sleep(300)
        assert len(server(bench).asked) <= 4
        server(bench)._blocked_until = bench.clock.now() + timedelta(minutes=30)
        await bench.until(lambda: bench.alerted("blocks this machine"))
        asked = len(server(bench).asked)
        await bench.clock.sleep(600)
        assert len(server(bench).asked) == asked


@pytest.mark.trap("74")
async def test_waits_for_a_boot_and_tells_everything_anew() -> None:
    """The Miniserver refused connections, then said 503, then had lost its inputs: PEMS waited and told it again."""
    async with over_http() as bench:
        await ready(bench)
        await bench.tell("kitchen_setpoint_c", 23.0)
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        bench.miniserver.reboot(off_s=30, starting_s=60)
        await bench.until(lambda: bench.alerted("miniserver"), "nobody noticed")
        await bench.until(lambda: bench.alerted("is starting"))
        with pytest.raises(NotDelivered):
            await bench.tell("bathroom_setpoint_c", 22.0)
        await bench.until(lambda: bench.miniserver.boots == 1)
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        await bench.until(lambda: bench.miniserver.view("kitchen").target_c == 23.0)
        assert bench.miniserver.pems_ok
        assert not bench.alerted("is starting")


@pytest.mark.trap("75")
async def test_a_login_that_ends_in_the_middle_is_tried_again() -> None:
    """The Miniserver answered 477 for a while: nothing was written blindly, and PEMS was back soon after."""
    async with over_http() as bench:
        await ready(bench)
        bench.traps.set("75")
        await bench.until(lambda: bench.alerted("refuses the login (code 477)"))
        with pytest.raises(NotDelivered):
            await bench.tell("kitchen_setpoint_c", 23.0)
        bench.traps.clear("75")
        await bench.until(lambda: not bench.alerted("refuses the login"))
        assert wishes(bench) == []
        await bench.tell("kitchen_setpoint_c", 23.0)
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)


@pytest.mark.trap("76")
async def test_is_back_within_a_minute_of_a_connection_that_only_looks_open() -> None:
    """A connection stayed open and silent: PEMS gave it up after 5 s and asked anew on another."""
    async with over_http(speed=5) as bench:
        await bench.until(lambda: bench.value("bathroom_relay") is not None)
        bench.traps.set("76")
        await bench.until(lambda: bench.alerted("no answer within 5 s"))
        bench.traps.clear("76")
        since = bench.clock.now()
        await bench.until(lambda: not bench.alerted("no answer within"))
        assert bench.clock.now() - since < timedelta(seconds=60)


@pytest.mark.trap("77")
async def test_finds_a_room_that_was_renamed_and_leaves_one_that_is_gone() -> None:
    """Loxone Config was saved: a renamed room was found by its uuid, one whose controller is gone was left alone."""
    async with over_http() as bench:
        await ready(bench)
        bench.miniserver.rename_room("kitchen", "Cooking")
        bench.miniserver.replace_controller("bathroom", "00000000-0000-0000-0000000000000000")
        await bench.until(lambda: bench.value("bathroom_held_by") == "ignored")
        assert bench.alerted("bathroom", "left to itself")
        assert (await bench.tell("bathroom_setpoint_c", 23.0)).stage is Stage.REJECTED
        assert (await bench.tell("kitchen_setpoint_c", 23.0)).stage is Stage.ACKED
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)


@pytest.mark.trap("80")
async def test_leaves_a_locked_room_alone() -> None:
    """A controller was locked: it answers 200 and does nothing, so PEMS told it as `lock` and wrote nothing."""
    async with over_http() as bench:
        await ready(bench)
        bench.miniserver.lock("kitchen")
        await bench.until(lambda: bench.value("kitchen_held_by") == "lock")
        assert (await bench.tell("kitchen_relay", HEAT)).stage is Stage.REJECTED
        assert wishes(bench) == []


@pytest.mark.trap("81")
async def test_respects_an_open_window() -> None:
    """A window was open, overrideReason 2: PEMS told it and sent nothing against it."""
    async with over_http() as bench:
        await ready(bench)
        bench.miniserver.open_window("kitchen")
        await bench.until(lambda: bench.value("kitchen_held_by") == "window")
        assert bench.value("kitchen_window_open") is True
        assert (await bench.tell("kitchen_relay", HEAT)).stage is Stage.REJECTED
        assert wishes(bench) == []


@pytest.mark.trap("82")
async def test_yields_to_a_person_until_they_are_done() -> None:
    """The app made an override that PEMS had not: the room was the person's until it ended."""
    async with over_http() as bench:
        await ready(bench)
        bench.miniserver.user_override("kitchen", 23.5, minutes=3)
        await bench.until(lambda: bench.value("kitchen_held_by") == "user")
        assert (await bench.tell("kitchen_relay", HEAT)).stage is Stage.REJECTED
        await bench.until(lambda: bench.value("kitchen_held_by") == "")
        assert (await bench.tell("kitchen_relay", HEAT)).stage is Stage.ACKED


@pytest.mark.trap("82")
async def test_yields_to_a_person_who_takes_a_room_from_automatic() -> None:
    """The app put a room in manual mode; PEMS left it."""
    async with over_http() as bench:
        await ready(bench)
        bench.miniserver.set_operating_mode("kitchen", 4)
        await bench.until(lambda: bench.value("kitchen_held_by") == "user")
        bench.miniserver.set_operating_mode("kitchen", 0)
        await bench.until(lambda: bench.value("kitchen_held_by") == "")


@pytest.mark.trap("88")
async def test_reads_commas_units_and_either_spelling_of_the_code() -> None:
    """Answers said "21,5 °C" and now `Code`, now `code`, as number and as text; PEMS read them all."""
    async with over_http("88") as bench:
        await ready(bench)
        assert bench.value("kitchen_temperature_c") == pytest.approx(21.0, abs=0.3)
        assert bench.value("kitchen_target_c") == 21.0
        assert not bench.alerted("found")
