"""What is watched after a command: values that come back, effects that stay away, restarts, silence."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pems_core.clock import FastClock
from pems_core.commanding import Verdict
from pems_core.commanding.stages import Stages
from pems_core.commanding.store import Store
from pems_core.config import StagesSection
from pems_core.domain import HOUR, Command, NotDelivered, NotNow, Stage, Value
from pems_core.protocols import Device
from tests.devices.clocks import HandClock

from .plain import MINUTE, START
from .recorder import House, until

CHARGE: dict[str, Value] = {"mode": "battery_first", "charge_power_kw": 2.5, "stop_soc": 0.8}
HOLD: dict[str, Value] = {"mode": "battery_first", "charge_power_kw": 0.0, "stop_soc": 0.5}
SELF_USE: dict[str, Value] = {"mode": "load_first"}


async def commanded(house: House, settings: dict[str, Value], device: str = "inverter", minutes: float = 240) -> None:
    house.want(device, settings, minutes)
    await until(lambda: house.dispatcher.in_force(device) is not None)


def sent_modes(house: House) -> int:
    return sum(c.control == "mode" and not c.releases for c in house.inverter.sent)


async def test_a_value_that_comes_back_once_is_written_again(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE)
        house.inverter.checks = lambda _: Stage.REVERTED
        await until(lambda: bool(house.seen("inverter", Stage.REVERTED)))
        house.inverter.checks = lambda _: Stage.READBACK_OK
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        await house.pass_minutes(20)
        assert sent_modes(house) == 2
        assert not house.guard.foreign.noticed


async def test_gives_way_to_a_foreign_controller_after_the_second_time(tmp_path: Path) -> None:
    """The cloud puts every value back: PEMS writes it once more, then gives the device back and stops."""
    async with House(tmp_path) as house:
        house.inverter.checks = lambda command: Stage.READBACK_OK if command.releases else Stage.REVERTED
        await commanded(house, CHARGE)
        await until(lambda: bool(house.guard.foreign.noticed))
        await until(lambda: house.dispatcher.released("inverter"))
        told = len(house.inverter.sent)
        for _ in range(6):
            await house.pass_minutes(15)
            house.want("inverter", CHARGE)
        assert sent_modes(house) == 2
        assert len(house.inverter.sent) == told
        assert house.inverter.released("inverter")
        assert "foreign controller" in house.alerts("inverter")
        house.dispatcher.reset("inverter")
        house.want("inverter", SELF_USE)
        await until(lambda: sent_modes(house) == 3)


HEAT: dict[str, Value] = {"kitchen_setpoint_c": 21.0, "study_setpoint_c": 20.0}


class SetByHand:
    """Somebody who changes rooms in another app; each stays so until PEMS writes it again."""

    def __init__(self, house: House) -> None:
        self.house, self.changed = house, dict[str, int]()
        house.heating.checks = self._look

    def change(self, room: str) -> None:
        self.changed[room] = self._told(room)

    def _told(self, room: str) -> int:
        return sum(command.control.startswith(room) for command in self.house.heating.sent)

    def _look(self, command: Command) -> Stage:
        room = command.control.partition("_")[0]
        return Stage.REVERTED if self.changed.get(room) == self._told(room) else Stage.READBACK_OK


async def heated(house: House, minutes: float) -> None:
    for _ in range(round(minutes)):
        await house.step(minutes=1)


async def test_who_sets_two_rooms_elsewhere_stops_no_heating(tmp_path: Path) -> None:
    async with House(tmp_path, by_hand=HandClock(START)) as house:
        somebody = SetByHand(house)
        house.want("heating", HEAT, minutes=600)
        await heated(house, 5)
        for room in ("kitchen", "study"):
            somebody.change(room)
            await heated(house, 15)
        assert not house.guard.foreign.noticed
        in_force = house.dispatcher.in_force("heating")
        assert in_force is not None
        assert in_force.settings == HEAT


async def test_who_sets_one_room_again_and_again_is_left_that_room(tmp_path: Path) -> None:
    async with House(tmp_path, by_hand=HandClock(START)) as house:
        somebody = SetByHand(house)
        house.want("heating", HEAT, minutes=1200)
        await heated(house, 5)
        for _ in range(2):
            somebody.change("kitchen")
            await heated(house, 15)
        assert set(house.guard.foreign.noticed) == {"heating/kitchen"}
        assert [c.payload for c in house.heating.sent if c.control == "kitchen_setpoint_c"][-1] == "auto"
        told = len(house.heating.sent)
        house.want("heating", HEAT | {"study_setpoint_c": 19.0, "kitchen_setpoint_c": 22.0}, minutes=600)
        await heated(house, 60)
        assert {c.control for c in house.heating.sent[told:]} == {"study_relay", "study_setpoint_c"}
        assert "foreign controller" in house.alerts("heating/kitchen")
        house.dispatcher.reset("heating")
        await heated(house, 2)
        assert [c.payload for c in house.heating.sent if c.control == "kitchen_setpoint_c"][-1] == "22.0"


async def test_what_the_guard_gave_back_is_told_anew_and_blamed_on_nobody(tmp_path: Path) -> None:
    """PEMS hung for a while: its guard process gave all rooms back, and they are not as they were told."""
    async with House(tmp_path, by_hand=HandClock(START)) as house:
        somebody = SetByHand(house)
        house.want("heating", HEAT, minutes=600)
        await heated(house, 5)
        for _ in range(3):
            somebody.change("kitchen")
            somebody.change("study")
            house.given_back = {"heating": house.now}
            await heated(house, 12)
        assert not house.guard.foreign.noticed
        assert house.dispatcher.in_force("heating") is not None
        assert not any(c.releases for c in house.heating.sent)
        assert not house.alerts("heating")


async def test_what_is_wished_for_days_is_renewed_twice_a_day_without_a_gap(tmp_path: Path) -> None:
    """Slots of a time of day, and timers, end within a day whatever was wished."""
    async with House(tmp_path, by_hand=HandClock(START)) as house:
        house.want("inverter", CHARGE, minutes=3 * 24 * 60, by_hand=["mode"])
        for _ in range(60 * 12):
            await house.step(minutes=5)
            told = [command for command in house.inverter.sent if command.control == "mode"]
            assert house.now < told[-1].expires_at <= house.now + 12 * HOUR
        assert len({command.expires_at for command in told}) == 6
        assert not house.inverter.released("inverter")


async def test_a_value_that_never_took_is_written_three_times_and_given_up(tmp_path: Path) -> None:
    """The unit acknowledges and does nothing: no endless writing, and nobody else is blamed."""
    async with House(tmp_path) as house:
        house.inverter.stage = Stage.ACKED
        house.inverter.checks = lambda command: Stage.READBACK_OK if command.releases else Stage.REVERTED
        house.want("inverter", CHARGE)
        await until(lambda: "reverted" in house.alerts("inverter"))
        for _ in range(6):
            await house.pass_minutes(15)
            house.want("inverter", CHARGE)
        assert sent_modes(house) == 3
        assert not house.guard.foreign.noticed
        assert house.inverter.released("inverter")


async def test_what_cannot_be_told_now_is_tried_again_seldom_until_it_can(tmp_path: Path) -> None:
    async with House(tmp_path, by_hand=HandClock(START)) as house:
        house.want("inverter", SELF_USE, minutes=600)
        for _ in range(4):
            await house.step(minutes=5)
        tried: list[datetime] = []

        def by_a_wrong_clock(command: Command) -> NotNow | None:
            if command.control != "mode" or command.releases:
                return None
            tried.append(house.now)
            return NotNow("its clock is +70 s off")

        house.inverter.answers = by_a_wrong_clock
        house.want("inverter", HOLD, minutes=600)
        await house.step(minutes=0)
        assert house.inverter.released("inverter"), "what was told before does not go on meanwhile"
        told = sent_modes(house)
        for _ in range(60):
            await house.step(minutes=1)
        assert 8 <= len(tried) <= 10
        assert tried[-1] - tried[-2] >= 10 * MINUTE
        assert "mode: its clock is +70 s off; it is tried again" in house.alerts("inverter")
        house.inverter.answers = lambda _: None
        for _ in range(11):
            await house.step(minutes=1)
        assert sent_modes(house) == told + 1
        assert "its clock" not in house.alerts("inverter")


async def test_a_unit_that_shows_a_new_value_late_is_not_blamed(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.inverter.stage = Stage.ACKED
        looks: list[Command] = []

        def check(command: Command) -> Stage:
            looks.append(command)
            return Stage.REVERTED if len(looks) < 10 else Stage.READBACK_OK

        house.inverter.checks = check
        await commanded(house, CHARGE)
        await house.pass_minutes(5)
        assert not house.seen("inverter", Stage.REVERTED)
        assert sent_modes(house) == 1


async def test_a_poll_that_was_on_its_way_during_the_write_is_not_believed(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE)
        old = [Stage.REVERTED]
        house.inverter.checks = lambda _: old.pop() if old else Stage.READBACK_OK
        await house.pass_minutes(5)
        assert not house.seen("inverter", Stage.REVERTED)


async def test_no_effect_is_told_when_the_battery_does_not_charge(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE)
        await see_for(house, 6, charge_kw=0.0)
        assert len(house.seen("inverter", Stage.NO_EFFECT)) == 1
        assert "charge_kw 0.00 of 2.50 kW" in house.alerts("inverter")
        assert sent_modes(house) == 1


async def test_more_than_half_of_the_wish_is_an_effect(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE)
        await see_for(house, 6, charge_kw=1.4)
        assert house.seen("inverter", Stage.EFFECT_OK)
        assert not house.seen("inverter", Stage.NO_EFFECT)
        assert house.dispatcher.in_force("inverter").stage is Stage.READBACK_OK  # type: ignore[union-attr]


async def test_a_battery_that_tapers_or_refuses_is_no_fault(tmp_path: Path) -> None:
    for n, (soc, changes) in enumerate([(0.95, {}), (0.5, {"charge_limit_kw": 0.1}), (0.5, {"temperature_c": 5.0})]):
        async with House(tmp_path / str(n), soc=soc) as house:
            house.with_battery(**changes)
            await commanded(house, CHARGE | {"stop_soc": 1.0})
            await see_for(house, 6, charge_kw=0.05)
            assert not house.seen("inverter", Stage.NO_EFFECT)


async def test_a_hold_in_which_the_battery_discharges_has_no_effect(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, HOLD)
        await see_for(house, 6, discharge_kw=2.0)
        assert house.seen("inverter", Stage.NO_EFFECT)


async def test_a_relay_without_load_is_told_but_is_no_fault(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, {"kitchen_relay": True, "study_relay": False}, "heating")
        until_then = house.now + 6 * MINUTE
        while house.now < until_then:
            house.saw({"heating/kitchen_power_kw": (0.0, "kW"), "heating/study_power_kw": (2.0, "kW")})
            await house.clock.sleep(20)
        assert "limiter" in house.seen("heating", Stage.EFFECT_OK)[0].detail
        assert [receipt.command.control for receipt in house.seen("heating", Stage.NO_EFFECT)] == ["study_relay"]


async def see_for(house: House, minutes: float, **flows: float) -> None:
    """Measure the inverter for some time."""
    until_then = house.now + minutes * MINUTE
    known = {"charge_kw": 0.0, "discharge_kw": 0.0, "pv_kw": 4.0, "load_kw": 0.5} | flows
    while house.now < until_then:
        house.saw({f"inverter/{name}": (kw, "kW") for name, kw in known.items()})
        await house.clock.sleep(20)


async def test_silence_takes_the_inverter_back_and_its_return_commands_it_anew(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE, minutes=600)
        own = house.states.pop("inverter")
        await house.pass_minutes(12)
        await until(lambda: house.dispatcher.released("inverter"))
        assert house.inverter.released("inverter")
        house.states["inverter"] = own
        await house.pass_minutes(2)
        await until(lambda: house.dispatcher.in_force("inverter") is not None)
        assert sent_modes(house) == 2


async def test_a_unit_that_recovers_is_commanded_anew(tmp_path: Path) -> None:
    """The grid was lost and the unit has restarted: nobody knows what it still does of what it was told."""
    async with House(tmp_path) as house:
        await commanded(house, CHARGE, minutes=600)
        house.saw({"inverter/status": ("off_grid", "")})
        await house.pass_minutes(3)
        assert sent_modes(house) == 1
        until_then = house.now + 8 * MINUTE
        while house.now < until_then:
            house.saw({"inverter/status": ("normal", "")})
            await house.clock.sleep(30)
        await until(lambda: sent_modes(house) == 2)
        assert not house.inverter.released("inverter")


async def test_nothing_is_replayed_after_a_restart(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house:
        await commanded(house, CHARGE)
    async with House(tmp_path, start=house.now) as again:
        await again.pass_minutes(30)
        assert not again.inverter.sent
        again.want("inverter", SELF_USE)
        await until(lambda: sent_modes(again) == 1)
        assert [command.payload[:10] for command in again.inverter.sent][-1] == "load_first"


async def test_what_was_told_before_a_restart_is_taken_back_when_its_time_is_over(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house:
        await commanded(house, CHARGE, minutes=60)
    async with House(tmp_path, start=house.now) as again:
        await again.pass_minutes(70)
        await until(lambda: again.dispatcher.released("inverter"))
        assert again.inverter.released("inverter")
        assert not again.heating.sent


async def test_the_dwell_of_a_mode_counts_over_a_restart(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house:
        await commanded(house, CHARGE)
    async with House(tmp_path, start=house.now, speed=200) as again:
        again.want("inverter", {"mode": "grid_first"})
        await until(lambda: again.dispatcher.in_force("inverter") is not None)
        assert again.dispatcher.in_force("inverter").settings == CHARGE  # type: ignore[union-attr]


async def test_a_wish_that_had_to_wait_is_followed_when_its_minimum_time_is_over(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE)
        house.want("inverter", SELF_USE, by_hand=["mode"])
        await house.pass_minutes(3, watched=False)
        assert sent_modes(house) == 1
        await house.pass_minutes(4, watched=False)
        assert sent_modes(house) == 2


async def test_an_emergency_stop_takes_back_what_is_in_force(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE)
        house.emergency.stop("Ann", "smoke")
        house.dispatcher.let_go(["inverter", "heating"], "emergency stop by Ann")
        await until(lambda: house.inverter.released("inverter"))
        house.want("inverter", CHARGE)
        await house.pass_minutes(5)
        assert house.inverter.released("inverter")
        assert house.heating.released("heating")


async def test_a_device_that_is_only_observed_hears_nothing_at_all(tmp_path: Path) -> None:
    async with House(tmp_path, stages=StagesSection()) as house:
        house.want("inverter", CHARGE, minutes=10)
        await house.pass_minutes(15)
        house.dispatcher.let_go(["inverter"], "emergency stop by Ann")
        await house.pass_minutes(1)
        assert not house.inverter.sent
        assert house.dispatcher.released("inverter")


async def test_a_device_that_loses_trust_is_given_back(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE)
        house.trust.promote("inverter", "observe", "Ann")
        await house.pass_minutes(1)
        house.want("inverter", CHARGE)
        await until(lambda: house.dispatcher.released("inverter"))
        assert house.inverter.released("inverter")


async def test_stages_are_journaled_and_are_evidence(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE)
        evidence = house.trust.evidence("inverter")
        assert evidence.verified == len(house.inverter.sent)
        assert evidence.failed == 0
        # Who looks from another process may have another clock than a house whose time runs fast.
        with Store(tmp_path, FastClock(house.clock.now() + timedelta(days=2000)), writing=False) as store:
            assert Stages(StagesSection(), store, store.clock).evidence("inverter") == evidence
        lines = house.store.journal(device="inverter")
        assert {line.stage for line in lines} == {"queued", "readback_ok"}
        assert lines[0].control == "mode"


async def test_reads_that_fail_are_told_and_change_nothing(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        await commanded(house, CHARGE)

        def unread(command: Command) -> Stage:
            raise NotDelivered("no answer")

        house.inverter.checks = unread
        await house.pass_minutes(5)
        assert "could not be read back" in house.alerts("inverter")
        assert sent_modes(house) == 1


async def test_rests_while_nothing_is_due(tmp_path: Path) -> None:
    """A refused room, an unwell unit and a wish for later ask for a look now and then, not all the time."""
    async with House(tmp_path) as house:
        await commanded(house, {"kitchen_relay": True, "study_relay": False}, "heating", minutes=12)
        house.heating.answers = lambda command: Stage.REJECTED if "kitchen_relay" in command.control else None
        looks: list[str] = []
        judge = house.guard.judge

        def counted(device: Device, *rest: Any, **more: Any) -> Verdict:
            looks.append(device.name)
            return judge(device, *rest, **more)

        house.guard.judge = counted  # type: ignore[method-assign]
        house.want("heating", {"kitchen_relay": False, "study_relay": False}, minutes=200)
        house.saw({"inverter/status": ("fault", "")})
        house.want("inverter", CHARGE, minutes=200)
        await house.pass_minutes(9, watched=False)
        assert looks.count("heating") < 100
        assert looks.count("inverter") < 100
