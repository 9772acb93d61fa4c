"""What people set by hand: refused with reasons, kept, ended in time, and the newest wins."""

import shutil
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pems_core.commanding import BadOverride, Overrides, Store, apply_to
from pems_core.domain import Override, SiteState, Value
from pems_core.protocols import Device

from .plain import MINUTE, START, battery_at, heating, inverter

GOOD = Override("inverter", "mode", "battery_first", START, START + 60 * MINUTE, "Ann", "guests")
DEVICES: list[Device] = [inverter(), heating()]


class SteppedClock:
    """A clock that stands until it is moved."""

    speed = 1.0

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def elapsed_s(self) -> float:
        return (self.time - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def overrides(tmp_path: Path, clock: SteppedClock) -> Overrides:
    return Overrides(Store(tmp_path, clock), DEVICES, clock)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"device": "pool"}, "override pool/mode: found device 'pool'; allowed: inverter, heating"),
        ({"control": "mood"}, "found control 'mood'; allowed: mode, battery_charge_grid"),
        ({"value": "off"}, "mode is 'off'; allowed: load_first, battery_first, grid_first"),
        ({"valid_until": START}, "allowed: after 2025-01-15T10:00:00+00:00"),
        ({"valid_until": START - MINUTE}, "allowed: after"),
        ({"valid_from": START + 90 * MINUTE}, "allowed: after"),
        ({"valid_until": START + timedelta(days=32)}, "allowed: at most 31 days from now"),
        ({"valid_until": (START + MINUTE).replace(tzinfo=None)}, "without time zone; allowed: UTC"),
        ({"by": " "}, "found no name in by"),
    ],
)
def test_a_bad_override_is_refused_with_what_is_allowed(
    overrides: Overrides, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(BadOverride) as refused:
        overrides.set(replace(GOOD, **changes))  # type: ignore[arg-type]
    assert told in str(refused.value)
    assert not overrides.active


def test_what_a_unit_cannot_be_told_is_refused_and_not_kept(overrides: Overrides) -> None:
    """Else a person would read that it is so, and it would never be."""
    state = SiteState(START, {"inverter": replace(battery_at(0.5), lacks=frozenset({"grid_export", "grid_first"}))})
    with pytest.raises(BadOverride, match="found grid_export, which this unit cannot be told; allowed: mode, battery"):
        overrides.set(replace(GOOD, control="grid_export", value=False), state)
    with pytest.raises(BadOverride, match="found mode = grid_first, which this unit cannot be told"):
        overrides.set(replace(GOOD, value="grid_first"), state)
    assert not overrides.active
    assert overrides.set(GOOD, state).override == GOOD


def test_all_faults_are_told_together(overrides: Overrides) -> None:
    with pytest.raises(BadOverride) as refused:
        overrides.set(replace(GOOD, value="off", valid_until=START, by=""))
    assert len(refused.value.faults) == 3


def test_an_override_survives_a_restart_with_its_price_tag(tmp_path: Path, clock: SteppedClock) -> None:
    with Store(tmp_path, clock) as store:
        overrides = Overrides(store, DEVICES, clock)
        overrides.set(GOOD)
        overrides.price(GOOD, 1.25)
    with Store(tmp_path, clock) as store:
        (active,) = Overrides(store, DEVICES, clock).active
        assert (active.override, active.set_at, active.costs) == (GOOD, START, 1.25)


def test_the_newest_override_of_a_control_wins(overrides: Overrides, clock: SteppedClock) -> None:
    overrides.set(GOOD)
    overrides.price(GOOD, 1.25)
    clock.time += MINUTE
    overrides.set(replace(GOOD, value="grid_first"))
    (active,) = overrides.active
    assert (active.override.value, active.costs) == ("grid_first", None)


def test_a_price_that_comes_late_is_not_put_on_what_has_replaced_the_override(overrides: Overrides) -> None:
    overrides.set(GOOD)
    overrides.set(replace(GOOD, value="grid_first"))
    overrides.price(GOOD, 1.25)
    (active,) = overrides.active
    assert active.costs is None
    overrides.clear("inverter", "mode")
    overrides.price(GOOD, 1.25)
    assert not overrides.active


def test_an_override_ends_in_time_and_is_told_once(overrides: Overrides, clock: SteppedClock) -> None:
    overrides.set(GOOD)
    clock.time = GOOD.valid_until - MINUTE
    assert overrides.in_force() == [GOOD]
    assert not overrides.expire()
    clock.time = GOOD.valid_until
    assert not overrides.active
    assert overrides.expire() == [GOOD]
    assert not overrides.expire()


def test_clearing_tells_what_was_cleared(overrides: Overrides) -> None:
    overrides.set(GOOD)
    assert overrides.clear("inverter", "mode") == GOOD
    assert overrides.clear("inverter", "mode") is None


def by_hand(control: str, value: Value, device: str = "inverter") -> Override:
    return replace(GOOD, device=device, control=control, value=value)


PLANNED: dict[str, Value] = {
    "mode": "battery_first",
    "charge_power_kw": 2.5,
    "stop_soc": 0.8,
    "battery_charge_grid": True,
    "grid_export": False,
}


def test_another_mode_by_hand_does_not_take_over_the_rates_of_the_planned_one() -> None:
    done = apply_to(DEVICES[0], PLANNED, [by_hand("mode", "grid_first")], START)
    assert done == {"mode": "grid_first", "grid_export": False}


def test_the_planned_mode_by_hand_keeps_its_rates() -> None:
    assert apply_to(DEVICES[0], PLANNED, [by_hand("mode", "battery_first")], START) == PLANNED


def test_rates_by_hand_go_with_a_mode_by_hand() -> None:
    set_by_hand = [by_hand("mode", "grid_first"), by_hand("discharge_power_kw", 1.0)]
    done = apply_to(DEVICES[0], PLANNED, set_by_hand, START)
    assert done == {"mode": "grid_first", "discharge_power_kw": 1.0, "grid_export": False}


def test_a_setpoint_by_hand_leaves_the_room_to_its_thermostat() -> None:
    planned: dict[str, Value] = {"kitchen_relay": False, "kitchen_setpoint_c": 19.0, "study_relay": True}
    done = apply_to(DEVICES[1], planned, [by_hand("kitchen_setpoint_c", 22.0, "heating")], START)
    assert done == {"kitchen_setpoint_c": 22.0, "study_relay": True}


def test_a_relay_by_hand_needs_no_plan() -> None:
    assert apply_to(DEVICES[1], {}, [by_hand("kitchen_relay", True, "heating")], START) == {"kitchen_relay": True}


def test_an_override_does_nothing_before_it_begins_or_after_it_ends_or_to_others() -> None:
    later = replace(by_hand("mode", "grid_first"), valid_from=START + MINUTE)
    assert apply_to(DEVICES[0], PLANNED, [later], START) == PLANNED
    assert apply_to(DEVICES[0], PLANNED, [by_hand("mode", "grid_first")], GOOD.valid_until) == PLANNED
    assert apply_to(DEVICES[0], PLANNED, [by_hand("kitchen_relay", True, "heating")], START) == PLANNED


CHOICES = [
    ("inverter", "mode", ["load_first", "battery_first", "grid_first"]),
    ("inverter", "grid_export", [True, False]),
    ("heating", "kitchen_setpoint_c", [18.0, 21.5]),
]


class OverridesOverRestarts(RuleBasedStateMachine):
    """Overrides against a dictionary, with restarts at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = SteppedClock()
        self.model: dict[tuple[str, str], Override] = {}
        self.open()

    def open(self) -> None:
        self.store = Store(self.folder, self.clock)
        self.overrides = Overrides(self.store, DEVICES, self.clock)

    @rule(choice=st.sampled_from(CHOICES), which=st.integers(0, 2), minutes=st.integers(-5, 90))
    def set(self, choice: tuple[str, str, list[Value]], which: int, minutes: int) -> None:
        device, control, values = choice
        until = self.clock.now() + minutes * MINUTE
        wished = Override(device, control, values[which % len(values)], self.clock.now(), until, "Ann")
        if minutes > 0:
            self.overrides.set(wished)
            self.model[device, control] = wished
        else:
            with pytest.raises(BadOverride):
                self.overrides.set(wished)

    @rule(choice=st.sampled_from(CHOICES))
    def clear(self, choice: tuple[str, str, list[Value]]) -> None:
        assert self.overrides.clear(choice[0], choice[1]) == self.model.pop((choice[0], choice[1]), None)

    @rule(minutes=st.integers(1, 60))
    def pass_time(self, minutes: int) -> None:
        self.clock.time += minutes * MINUTE
        ended = [override for override in self.model.values() if override.valid_until <= self.clock.now()]
        assert sorted(self.overrides.expire(), key=repr) == sorted(ended, key=repr)
        self.model = {key: override for key, override in self.model.items() if override not in ended}

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.open()

    @invariant()
    def same_as_the_model(self) -> None:
        assert sorted(self.overrides.in_force(), key=repr) == sorted(self.model.values(), key=repr)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestOverridesOverRestarts = OverridesOverRestarts.TestCase
TestOverridesOverRestarts.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
