"""Relays keep their minimum times."""

from datetime import timedelta

import numpy as np

from pems_core.simulation.twins.relay import RelayBank


def course(relays: RelayBank, wanted: str) -> str:
    """What the first relay does, minute by minute: 1 on, 0 off."""
    states = []
    for want in wanted:
        relays.switch(np.array([want == "1"]))
        states.append("1" if relays.on[0] else "0")
    return "".join(states)


def bank(min_on: int, min_off: int) -> RelayBank:
    return RelayBank([1.2], [timedelta(minutes=min_on)], [timedelta(minutes=min_off)])


def test_the_first_command_need_not_wait() -> None:
    assert course(bank(5, 5), "1") == "1"


def test_switching_off_too_early_waits() -> None:
    assert course(bank(4, 0), "1000000") == "1111000"


def test_switching_on_too_early_waits() -> None:
    assert course(bank(0, 3), "1011111") == "1000111"


def test_a_command_taken_back_while_it_waits_is_forgotten() -> None:
    assert course(bank(4, 0), "1001111") == "1111111"


def test_relays_do_not_wait_for_each_other() -> None:
    relays = RelayBank([1.0, 2.0], [timedelta(minutes=9), timedelta(0)], [timedelta(0)] * 2)
    relays.switch(np.array([True, True]))
    relays.switch(np.array([False, False]))
    assert relays.on.tolist() == [True, False]
