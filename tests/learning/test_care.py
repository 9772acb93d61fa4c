"""Models look after themselves: whole weeks of good, bad, ageing and broken versions, and of clocks that stand."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from pems_forecasters.learned.forecasters import LearnedLoad

from pems_core.domain import QUARTER, Forecast, History, Horizon, Learned, SiteState
from pems_core.learning.care import Terms, turn
from pems_core.learning.registry import Stage
from pems_core.learning.versioned import Adopted, Versioned

from .lived import BEGIN, LOAD, PRAGUE, Habit, Weeks, household

NEVER = timedelta(days=1000)
GOOD_KW, BAD_KW = 1.5, 0.6


class Flat(Habit):
    """A fallback that takes every evening for like any other time."""

    def __init__(self) -> None:
        super().__init__(name="flat", evening_kw=0.7)


@contextmanager
def weeks(folder: Path, **kwargs: object) -> Iterator[Weeks]:
    days = int(str(kwargs.pop("days", 45)))
    evening = kwargs.pop("evening_kw", lambda _: GOOD_KW)
    settings = {"fallback": Flat(), "every": NEVER, **kwargs}
    found = Weeks(folder, household(days, evening), **settings)  # type: ignore[arg-type]
    try:
        yield found
    finally:
        found.ledger.close()


def add(house: Weeks, evening_kw: float, day: int, promised_kw: float = 0.08) -> int:
    """A version that somebody learned on a day."""
    at = BEGIN + timedelta(days=day)
    learned = Learned({"evening_kw": evening_kw}, BEGIN, at, {"mae_kw": promised_kw})
    return house.registry.add(LOAD, learned, at).number


def shadow(house: Weeks, number: int, day: int) -> None:
    house.registry.tell(LOAD, number, Stage.SHADOW, BEGIN + timedelta(days=day), "training", "learned anew")


def test_a_good_version_foresees_in_shadow_then_on_some_days_and_is_promoted(tmp_path: Path) -> None:
    with weeks(tmp_path) as house:
        house.live(0, 35)
        assert house.story == [(1, "shadow"), (1, "trial"), (1, "in use")]
        shadowed, tried, used = house.registry.story(LOAD)
        assert tried.at - shadowed.at >= timedelta(days=7)
        assert used.at - tried.at >= timedelta(days=14)
        assert "against" in used.why
        assert "days, by chance with" in used.why
        days = house.used
        assert not any("version" in source for at, source in days.items() if at < tried.at)
        on_trial = {at.date(): source for at, source in days.items() if tried.at < at < used.at and at.hour == 12}
        share = sum("version 1" in source for source in on_trial.values()) / len(on_trial)
        assert 0.35 <= share <= 0.65
        assert all("version 1" in source for at, source in days.items() if at > used.at)
        health = house.registry.health(LOAD)
        assert health is not None
        assert health.fault == ""
        assert health.errors["version 1"]["24 h"] < 0.5 * health.errors["fallback"]["24 h"]


def test_a_version_that_is_worse_is_set_aside_in_shadow_and_never_used(tmp_path: Path) -> None:
    with weeks(tmp_path) as house:
        house.registry.use(LOAD, add(house, GOOD_KW, 0), BEGIN, "tester", "")
        shadow(house, add(house, BAD_KW, 1), 1)
        house.live(1, 14)
        assert house.story[1:] == [(2, "shadow"), (2, "set aside")]
        assert "it is worse than version 1" in house.registry.story(LOAD)[-1].why
        assert not any("version 2" in source for source in house.used.values())


def test_one_that_is_only_as_good_does_not_take_the_place_of_the_one_in_use(tmp_path: Path) -> None:
    with weeks(tmp_path) as house:
        house.registry.use(LOAD, add(house, GOOD_KW, 0), BEGIN, "tester", "")
        shadow(house, add(house, GOOD_KW, 1), 1)
        house.live(1, 26)
        assert house.story[1:] == [(2, "shadow"), (2, "trial"), (2, "set aside")]
        assert "no evidence that it is better" in house.registry.story(LOAD)[-1].why


def test_one_that_was_promoted_by_mistake_goes_back_by_itself(tmp_path: Path) -> None:
    with weeks(tmp_path) as house:
        house.registry.use(LOAD, add(house, GOOD_KW, 0), BEGIN, "tester", "")
        house.live(1, 4)
        house.registry.use(LOAD, add(house, BAD_KW, 4), BEGIN + timedelta(days=4), "tester", "a hunch")
        house.live(4, 15)
        assert house.story == [(1, "in use"), (2, "in use"), (1, "in use")]
        back = house.registry.story(LOAD)[-1]
        assert back.by == "monitor"
        assert "rolled back: version 2 is worse than version 1, which it replaced" in back.why
        # The version that it went back to is not left again because of the days on which the other one failed.
        house.live(15, 20)
        assert len(house.story) == 3


def test_a_household_that_changes_degrades_the_model_and_a_new_one_proves_itself(tmp_path: Path) -> None:
    changed = BEGIN + timedelta(days=20)

    def evening(at: datetime) -> float:
        return GOOD_KW if at < changed else 0.2

    with weeks(tmp_path, evening_kw=evening, days=60, terms=Terms(trial_days=7)) as house:
        house.registry.use(LOAD, add(house, GOOD_KW, 0), BEGIN, "tester", "")
        house.live(14, 31)
        degraded = next(use for use in house.registry.story(LOAD) if use.number is None)
        assert "version 1 is degraded: its mae_kw is" in degraded.why
        assert "the fallback is better" in degraded.why
        assert changed + timedelta(days=7) <= degraded.at <= changed + timedelta(days=11)
        assert house.story[1:] == [(None, "in use"), (2, "shadow")]
        health = house.registry.health(LOAD)
        assert health is not None
        assert "degraded" in health.fault
        assert house.used[BEGIN + timedelta(days=30, hours=12)] == "habit"
        house.every = timedelta(days=7)
        house.live(31, 55)
        # What was learned in the first days has the old evenings in it still, and proves nothing; the next one does.
        assert house.story[3:7] == [(2, "set aside"), (3, "shadow"), (3, "trial"), (3, "in use")]
        healed = house.registry.health(LOAD)
        assert healed is not None
        assert healed.fault == ""


def test_a_broken_file_is_told_done_without_and_learned_anew_the_same_night(tmp_path: Path) -> None:
    with weeks(tmp_path) as house:
        house.registry.use(LOAD, add(house, GOOD_KW, 0), BEGIN, "tester", "")
        house.live(8, 10)
        (house.registry.folder / f"{LOAD}-1.json").write_text('{"evening_kw": 9.0}', encoding="utf-8")
        house.live(10, 12)
        assert "habit" in house.used[BEGIN + timedelta(days=10)]
        assert "version" not in house.used[BEGIN + timedelta(days=10)]
        assert any("checksum" in fault for fault in house.faults)
        assert house.story == [(1, "in use"), (None, "in use"), (2, "shadow")]


def test_where_one_on_trial_has_no_answer_the_one_in_use_gives_it(tmp_path: Path) -> None:
    class Silent(Habit):
        async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
            raise RuntimeError("no")

    with weeks(tmp_path) as house:
        house.registry.use(LOAD, add(house, GOOD_KW, 0), BEGIN, "tester", "")
        shadow(house, add(house, GOOD_KW, 1), 1)
        house.registry.tell(LOAD, 2, Stage.TRIAL, BEGIN + timedelta(days=1), "tester", "")
        house.live(1, 2)
        house.versioned.tried = Adopted(2, Silent())
        on_its_day = next(
            BEGIN + timedelta(days=day, hours=9)
            for day in range(2, 20)
            if turn(LOAD, BEGIN + timedelta(days=day, hours=9), 0.5)
        )
        asyncio.run(house._cycle(on_its_day))
        assert "version 1" in house.used[on_its_day]


def test_a_clock_that_stands_or_goes_back_changes_nothing(tmp_path: Path) -> None:
    with weeks(tmp_path) as house:
        house.live(0, 18)
        before = house.registry.story(LOAD)
        now = BEGIN + timedelta(days=17, hours=2)
        for _ in range(5):
            house.night(now)
        house.night(now - timedelta(days=12))
        assert house.registry.story(LOAD) == before


def test_days_of_a_trial_are_spread_evenly_and_the_same_for_whoever_asks() -> None:
    days = [BEGIN + timedelta(days=k) for k in range(364)]
    chosen = [day for day in days if turn(LOAD, day, 0.25)]
    assert chosen == [day for day in days if turn(LOAD, day.replace(hour=23), 0.25)]
    assert 0.24 <= len(chosen) / len(days) <= 0.26
    by_weekday = [sum(day.weekday() == k for day in chosen) for k in range(7)]
    assert min(by_weekday) >= 10
    assert not any(turn(LOAD, day, 0.0) for day in days)
    assert all(turn(LOAD, day, 1.0) for day in days)


@pytest.mark.slow
def test_lightgbm_takes_over_from_a_profile_that_knows_nothing_of_weekdays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trees of a real learner, learned in the house's own night, through shadow and trial into use."""

    def sauna(at: datetime) -> float:
        return 4.0 if at.weekday() in (1, 4) else 0.5

    learner = LearnedLoad(PRAGUE)
    load = household(56, sauna)
    house = Weeks(tmp_path, load, learner, terms=Terms(trial_days=7), every=NEVER)
    try:
        house.live(33, 53)
        assert house.story == [(1, "shadow"), (1, "trial"), (1, "in use")], house.said
        assert "trees" in house.used[BEGIN + timedelta(days=52, hours=12)]
        assert "version 1" in house.used[BEGIN + timedelta(days=52, hours=12)]
        # Somebody takes LightGBM away: that is told, and the profile answers.
        monkeypatch.setitem(sys.modules, "lightgbm", None)
        house.live(53, 54)
        assert any("pip install lightgbm" in fault for fault in house.faults)
        assert "profile" in house.used[BEGIN + timedelta(days=53, hours=12)]
    finally:
        house.ledger.close()


def test_stands_in_the_registry_from_before_there_were_stages(tmp_path: Path) -> None:
    """A database of an earlier PEMS, in which a version was in use or not, is read and goes on."""
    with weeks(tmp_path) as house:
        number = add(house, GOOD_KW, 0)
        house.registry.use(LOAD, number, BEGIN, "tester", "")
        with house.registry._database() as database:
            database.execute("ALTER TABLE uses DROP COLUMN stage")
        used = house.registry.in_use(LOAD)
        assert used is not None
        assert replace(used, metrics={}).number == number
        shadow(house, add(house, GOOD_KW, 1), 1)
        tried = house.registry.tried(LOAD)
        assert tried is not None
        assert tried.version.number == 2


class Asleep(Habit):
    """Versions that never answer if they foresee more than a household can use."""

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        if self.evening_kw is not None and self.evening_kw > 100:
            await asyncio.Event().wait()
        return await super().forecast(horizon, state, history)


def adopted(number: int, evening_kw: float) -> Adopted:
    return Adopted(number, Asleep(evening_kw=evening_kw))


def test_a_version_that_never_answers_costs_neither_those_beside_it_nor_the_one_in_use() -> None:
    horizon, state, history = Horizon.uniform(BEGIN, QUARTER, 4), SiteState(BEGIN, {}), History(pd.DataFrame())
    whole = Versioned(Asleep(), PRAGUE, 1.0, adopted(1, 1.5), adopted(2, 999.0), on_trial=True, tried_within_s=0.05)

    async def asked() -> tuple[Mapping[str, Forecast], Mapping[str, Forecast]]:
        async with asyncio.timeout(20):
            return await whole.forecast(horizon, state, history), await whole.beside(horizon, state, history)

    used, beside = asyncio.run(asked())
    assert used[LOAD].source == "habit, version 1"
    assert list(beside) == [f"{LOAD}@version 1"]


class Silent(Habit):
    """Versions that have no answer if they foresee more than a household can use."""

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        return {} if self.evening_kw and self.evening_kw > 100 else await super().forecast(horizon, state, history)


def test_a_version_that_has_no_answer_is_set_aside_so_that_another_can_be_learned(tmp_path: Path) -> None:
    with weeks(tmp_path, learner=Silent(), days=20, every=timedelta(days=7)) as house:
        shadow(house, add(house, 999.0, 0), 0)
        house.live(0, 15)
        assert house.story[:3] == [(1, "shadow"), (1, "set aside"), (2, "shadow")]
        assert "answered 0% of the times" in house.registry.story(LOAD)[1].why
