"""What becomes of wishes: sent once, in order, retried, superseded, expired, taken back."""

import asyncio
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest

from pems_core.domain import Command, NotDelivered, Severity, Stage, Value, WornOut

from .plain import MINUTE, battery_at
from .recorder import House, until

CHARGE: dict[str, Value] = {
    "mode": "battery_first",
    "charge_power_kw": 2.5,
    "stop_soc": 0.8,
    "battery_charge_grid": True,
}
SELL: dict[str, Value] = {"mode": "grid_first", "discharge_power_kw": 2.0, "stop_soc": 0.3}
SELF_USE: dict[str, Value] = {"mode": "load_first", "grid_export": True}


async def test_sends_a_wish_in_order_and_reads_it_back(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.want("inverter", CHARGE)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        words = house.inverter.words()
        assert words.index("charge_power_kw") < words.index("mode")
        assert len(house.seen("inverter", Stage.QUEUED)) == len(house.seen("inverter", Stage.READBACK_OK)) == len(words)
        in_force = house.dispatcher.in_force("inverter")
        assert in_force is not None
        assert in_force.settings == CHARGE
        assert in_force.stage is Stage.READBACK_OK


async def test_what_a_unit_lacks_is_told_to_people_once_and_to_the_unit_never(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.states["inverter"] = replace(battery_at(0.5), lacks=frozenset({"grid_export"}))
        for _ in range(3):
            house.want("inverter", SELF_USE | {"grid_export": False})
            await house.pass_minutes(15)
        [alert] = house.dispatcher.alerts
        assert (alert.severity, alert.since < house.now - 30 * MINUTE) == (Severity.INFO, True)
        assert "inverter/grid_export" in alert.text
        assert {c.payload for c in house.inverter.sent if c.control == "grid_export"} == {"auto"}


async def test_says_the_same_only_once(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.want("inverter", CHARGE)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        told = len(house.inverter.sent)
        for _ in range(8):
            await house.pass_minutes(15)
            house.want("inverter", CHARGE, minutes=200)
        assert len(house.inverter.sent) == told


async def test_tells_anew_once_what_means_something_else_by_now(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.want("inverter", CHARGE)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        told = len(house.inverter.sent)
        await house.pass_minutes(15)
        clock_put_back = house.now
        for _ in range(3):
            house.want("inverter", CHARGE, minutes=225, anew_since=clock_put_back)
            await house.pass_minutes(15)
        assert len(house.inverter.sent) == 2 * told
        assert not house.inverter.released("inverter")


async def test_renews_what_ends_by_itself_before_it_ends(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.want("inverter", CHARGE, minutes=60)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        told = len(house.inverter.sent)
        await house.pass_minutes(15)
        house.want("inverter", CHARGE, minutes=120)
        await house.pass_minutes(20)
        assert len(house.inverter.sent) == told
        await house.pass_minutes(20)
        assert len(house.inverter.sent) == 2 * told
        assert not house.inverter.released("inverter")


async def test_the_newest_wish_wins_and_what_was_left_of_the_older_is_superseded(tmp_path: Path) -> None:
    async with House(tmp_path, speed=200) as house:
        house.inverter.delay_s = 0.05
        house.want("inverter", CHARGE)
        await until(lambda: house.inverter.asked >= 2)
        house.want("inverter", SELF_USE)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        assert house.seen("inverter", Stage.SUPERSEDED)
        assert house.dispatcher.in_force("inverter").settings == SELF_USE  # type: ignore[union-attr]
        sent_ids = {command.id for command in house.inverter.sent}
        assert not sent_ids & {receipt.command.id for receipt in house.seen("inverter", Stage.SUPERSEDED)}


async def test_a_failed_command_stops_the_rest_until_it_gets_through(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        stubborn = {"left": 2}

        def answer(command: Command) -> NotDelivered | None:
            if command.control == "charge_power_kw" and stubborn["left"] > 0:
                stubborn["left"] -= 1
                return NotDelivered("no answer")
            return None

        house.inverter.answers = answer
        house.want("inverter", CHARGE)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        words = house.inverter.words()
        assert words.count("battery_charge_grid") == 1, "what had arrived is not sent again"
        assert words.index("charge_power_kw") < words.index("mode")


async def test_nothing_is_sent_after_the_wish_has_ended(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.inverter.down = True
        house.want("inverter", CHARGE, minutes=20)
        await house.pass_minutes(25)
        house.inverter.down = False
        await until(lambda: house.dispatcher.released("inverter"))
        assert all(command.releases for command in house.inverter.sent)
        assert house.seen("inverter", Stage.EXPIRED)


async def test_a_device_is_given_back_when_its_last_wish_runs_out(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.want("inverter", CHARGE, minutes=30)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        await house.pass_minutes(31)
        await until(lambda: house.dispatcher.released("inverter"))
        assert house.inverter.released("inverter")


async def test_a_wish_that_ends_sooner_than_what_was_sent_is_ended_by_pems(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.want("inverter", CHARGE, minutes=60)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        told = len(house.inverter.sent)
        house.want("inverter", CHARGE, minutes=20)
        await house.pass_minutes(15)
        assert len(house.inverter.sent) == told, "half an hour less is not worth a write"
        await house.pass_minutes(8)
        await until(lambda: house.dispatcher.released("inverter"))
        assert house.inverter.released("inverter")


async def test_a_device_counts_as_commanded_from_its_first_command_on(tmp_path: Path) -> None:
    async with House(tmp_path, speed=200) as house:
        house.inverter.delay_s = 0.05
        assert house.dispatcher.released("inverter")
        house.want("inverter", CHARGE)
        await until(lambda: house.inverter.asked > 0)
        assert not house.dispatcher.released("inverter")


async def test_after_an_outage_only_the_newest_wish_is_sent(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.inverter.down = True
        for n in range(40):
            await house.pass_minutes(1)
            house.want("inverter", CHARGE | {"charge_power_kw": 1.0 + 0.1 * n})
        house.inverter.down = False
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        rates = [c.payload for c in house.inverter.sent if c.control == "charge_power_kw"]
        assert rates == ["4.9"]


async def test_one_stuck_device_does_not_stop_another(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.inverter.delay_s = 1000.0
        house.want("inverter", CHARGE)
        house.want("heating", {"kitchen_relay": True})
        await until(lambda: house.dispatcher.in_force("heating") is not None)
        assert not house.inverter.sent


async def test_an_error_in_a_plugin_costs_only_its_own_device_its_commands(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        broken = {"still": True}

        def answer(command: Command) -> Exception | None:
            return ZeroDivisionError("a bug") if broken["still"] and not command.releases else None

        house.inverter.answers = answer
        house.want("inverter", CHARGE)
        await until(lambda: "a bug" in house.alerts("inverter"))
        house.want("heating", {"kitchen_relay": True})
        await until(lambda: house.dispatcher.in_force("heating") is not None)
        await until(lambda: house.dispatcher.released("inverter"))
        assert house.inverter.released("inverter")


async def test_gives_the_inverter_back_when_its_writes_are_used_up(tmp_path: Path) -> None:
    async with House(tmp_path) as house:

        def answer(command: Command) -> Exception | None:
            return None if command.releases else WornOut("holding/1090 was written 18 times today")

        house.inverter.answers = answer
        house.want("inverter", CHARGE)
        await until(lambda: house.dispatcher.released("inverter"))
        await house.pass_minutes(30)
        house.want("inverter", SELL)
        await house.pass_minutes(30)
        assert all(command.releases for command in house.inverter.sent)
        assert "18 times" in house.alerts("inverter")


async def test_giving_back_is_repeated_until_it_is_read_back(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.want("inverter", CHARGE)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        house.inverter.down = True
        assert await house.dispatcher.release(["inverter"], "test", within_s=0.2) == {"inverter": False}
        assert "not given back" in house.alerts("inverter")
        house.inverter.down = False
        await until(lambda: house.dispatcher.released("inverter"))
        assert house.inverter.released("inverter")
        assert not house.alerts("inverter")


async def test_devices_can_be_given_back_after_the_tasks_have_ended(tmp_path: Path) -> None:
    house = House(tmp_path)
    task = asyncio.create_task(house.dispatcher.run())
    house.want("inverter", CHARGE)
    await until(lambda: house.dispatcher.in_force("inverter") is not None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await house.dispatcher.release(["inverter", "heating"], "end") == {"inverter": True, "heating": True}
    assert house.inverter.released("inverter")
    house.store.close()


async def test_an_override_reaches_the_wire_at_once(tmp_path: Path) -> None:
    async with House(tmp_path, speed=1.0) as house:
        await asyncio.sleep(0.05)
        begun = perf_counter()
        house.want("inverter", CHARGE, source="override", by_hand=["mode"])
        await until(lambda: house.inverter.asked > 0)
        assert perf_counter() - begun < 0.5


async def test_a_room_that_refuses_does_not_stop_the_others(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.heating.answers = lambda command: Stage.REJECTED if "kitchen" in command.control else None
        house.want("heating", {"kitchen_relay": True, "study_relay": True})
        await until(lambda: house.dispatcher.in_force("heating") is not None)
        assert "kitchen_relay rejected" in house.alerts("heating")
        await house.pass_minutes(30)
        assert len(house.seen("heating", Stage.REJECTED)) == 1, "a refused command is not repeated"


async def test_a_house_without_devices_goes_on(tmp_path: Path) -> None:
    """Its plans are worth something all the same; a task that ends would take the engine with it."""
    house = House(tmp_path, devices=[])
    async with house:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(house._task), 0.2)
