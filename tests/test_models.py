"""Models that were learned: kept in versions, used and taken back, and done without when they are broken."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from pems_forecasters.learned.forecasters import LearnedLoad

from pems_core.cli import pems
from pems_core.clock import SystemClock
from pems_core.commanding.store import Store
from pems_core.domain import (
    QUARTER,
    Forecast,
    History,
    Horizon,
    Learned,
    OutdatedModel,
    PemsError,
    SiteState,
    floor_time,
)
from pems_core.learning.registry import DATABASE, BrokenModel, ModelRegistry, NoSuchModel, Stage
from pems_core.learning.training import follow, train, why_learn
from pems_core.learning.versioned import Versioned

NOW = datetime(2025, 3, 1, tzinfo=UTC)
HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"
[grid]
import_limit_kw = 17.0
[learning]
country = "CZ"
"""


def learned(error_kw: float, content: Mapping[str, Any] | None = None) -> Learned:
    return Learned(content or {"k": error_kw}, NOW - timedelta(days=60), NOW, {"mae_kw": error_kw})


class Pupil:
    """Learns what it is told."""

    model = "trial"
    name = "pupil"
    series = ("trial_kw",)

    def __init__(self, error_kw: float = 0.3, fault: Exception | None = None) -> None:
        self.error_kw = error_kw
        self.fault = fault
        self.adopted: Any = "nothing yet"

    def learn(self, history: History) -> Learned:
        if self.fault is not None:
            raise self.fault
        return learned(self.error_kw)

    def adopt(self, content: Mapping[str, Any] | None) -> None:
        self.adopted = content

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        return {}


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


class TestRegistry:
    def test_a_version_is_used_only_once_somebody_says_so(self, registry: ModelRegistry) -> None:
        version = registry.add("load", learned(0.3), NOW)
        assert registry.in_use("load") is None
        registry.use("load", version.number, NOW, "tester", "it is better")
        present = ModelRegistry(registry.folder).in_use("load")
        assert present == version
        assert registry.content(version) == {"k": 0.3}
        assert [(use.number, use.by, use.why) for use in registry.uses("load")] == [(1, "tester", "it is better")]

    def test_goes_back_to_the_version_before_and_then_to_none(self, registry: ModelRegistry) -> None:
        for error in (0.3, 0.2):
            registry.use("load", registry.add("load", learned(error), NOW).number, NOW, "tester", "")
        back = registry.roll_back("load", NOW, "tester", "it was worse")
        assert back is not None
        assert back.number == 1
        with pytest.raises(NoSuchModel, match="nothing to go back from"):
            registry.roll_back("other", NOW, "tester", "")

    def test_a_file_that_was_changed_or_lost_is_refused_with_its_place(self, registry: ModelRegistry) -> None:
        version = registry.add("load", learned(0.3), NOW)
        path = registry.folder / version.file
        path.write_text(json.dumps({"k": 0.0}), encoding="utf-8")
        with pytest.raises(BrokenModel, match=r"load-1\.json: found another checksum"):
            registry.content(version)
        path.unlink()
        with pytest.raises(BrokenModel, match="No such file"):
            registry.content(version)

    def test_a_crash_while_saving_leaves_the_version_before_in_use(
        self, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.use("load", registry.add("load", learned(0.3), NOW).number, NOW, "tester", "")

        def cut(path: Path, text: bytes) -> None:
            path.with_suffix(".new").write_bytes(text[:3])
            raise KeyboardInterrupt

        monkeypatch.setattr("pems_core.learning.registry._write", cut)
        with pytest.raises(KeyboardInterrupt):
            registry.add("load", learned(0.2), NOW)
        monkeypatch.undo()
        present = ModelRegistry(registry.folder).in_use("load")
        assert present is not None
        assert registry.content(present) == {"k": 0.3}
        assert registry.add("load", learned(0.1), NOW).number == 2

    def test_forgets_old_versions_but_never_the_one_in_use(self, registry: ModelRegistry) -> None:
        registry.use("load", registry.add("load", learned(0.3), NOW).number, NOW, "tester", "")
        for _ in range(15):
            registry.add("load", learned(0.4), NOW)
        numbers = [version.number for version in registry.versions("load")]
        assert numbers[0] == 1
        assert len(numbers) <= 12
        assert len(list(registry.folder.glob("load-*.json"))) == len(numbers)

    @pytest.mark.parametrize("broken", [b"no database " * 500, None], ids=["not one", "a page of it"])
    def test_a_damaged_registry_is_set_aside_and_begun_anew(
        self, registry: ModelRegistry, broken: bytes | None
    ) -> None:
        for _ in range(3):
            registry.use("load", registry.add("load", learned(0.3), NOW).number, NOW, "tester", "reason " * 400)
        assert registry.renewed(NOW) == ""
        path = registry.folder / DATABASE
        whole = path.read_bytes()
        path.write_bytes(broken or whole[:4096] + b"\xff" * 4096 + whole[8192:])
        assert "is set aside as models.sqlite3.damaged-" in registry.renewed(NOW)
        assert registry.models() == []
        assert registry.add("load", learned(0.2), NOW).number == 1
        assert len(list(registry.folder.glob("models.sqlite3.damaged-*"))) == 1

    def test_names_the_versions_there_are(self, registry: ModelRegistry) -> None:
        registry.add("load", learned(0.3), NOW)
        with pytest.raises(NoSuchModel, match="no version 7; there are: 1"):
            registry.use("load", 7, NOW, "tester", "")


class TestTraining:
    def test_a_new_version_foresees_in_shadow_and_takes_the_place_of_one_that_did(
        self, registry: ModelRegistry
    ) -> None:
        none = History(pd.DataFrame())
        for error in (0.30, 0.28):
            (outcome,) = train([Pupil(error)], none, registry, NOW)
            assert "in shadow" in outcome.said
        assert registry.in_use("trial") is None
        tried = registry.tried("trial")
        assert tried is not None
        assert (tried.version.number, tried.stage) == (2, Stage.SHADOW)
        assert [(use.number, use.stage) for use in registry.story("trial")] == [
            (1, Stage.SHADOW),
            (1, Stage.SET_ASIDE),
            (2, Stage.SHADOW),
        ]

    @pytest.mark.parametrize(
        "fault", [PemsError("too little"), MemoryError("no room"), ValueError("odd"), KeyError("x")]
    )
    def test_one_that_cannot_learn_does_not_stop_the_others(self, registry: ModelRegistry, fault: Exception) -> None:
        outcomes = train([Pupil(fault=fault), Pupil()], History(pd.DataFrame()), registry, NOW)
        assert outcomes[0].version is None
        assert "not learned" in outcomes[0].said
        assert outcomes[1].version is not None

    def test_what_is_broken_is_done_without_told_and_learned_anew(self, registry: ModelRegistry) -> None:
        train([Pupil()], History(pd.DataFrame()), registry, NOW)
        registry.use("trial", 1, NOW, "tester", "")
        learner = Versioned(Pupil(), "UTC")
        assert follow([learner], registry) == []
        assert learner.used is not None
        assert getattr(learner.used.forecaster, "adopted", None) == {"k": 0.3}
        assert why_learn(Pupil(), registry, NOW + timedelta(days=1), timedelta(days=7)) == ""
        (registry.folder / "trial-1.json").write_text("{}", encoding="utf-8")
        (fault,) = follow([learner], registry)
        assert "checksum" in fault
        assert learner.used is None
        assert "checksum" in why_learn(Pupil(), registry, NOW, timedelta(days=7))
        assert registry.in_use("trial") is None
        assert "the fallback answers" in registry.story("trial")[-1].why

    def test_what_older_code_learned_is_set_aside_and_learned_anew(self, registry: ModelRegistry) -> None:
        class Changed(Pupil):
            def adopt(self, content: Mapping[str, Any] | None) -> None:
                raise OutdatedModel("was learned from features that differ in day_of_year")

        class WithoutLibrary(Pupil):
            def adopt(self, content: Mapping[str, Any] | None) -> None:
                raise PemsError("LightGBM cannot be loaded")

        class OtherShape(Pupil):
            def adopt(self, content: Mapping[str, Any] | None) -> None:
                raise KeyError("trees")

        train([Pupil()], History(pd.DataFrame()), registry, NOW)
        registry.use("trial", 1, NOW, "tester", "")
        day, week = timedelta(days=1), timedelta(days=7)
        # A library that is missing comes back, and with it the version that needs it.
        assert why_learn(WithoutLibrary(), registry, NOW + day, week) == ""
        assert registry.in_use("trial") is not None
        assert "day_of_year" in why_learn(Changed(), registry, NOW + day, week)
        assert registry.in_use("trial") is None
        assert "learned anew" in registry.story("trial")[-1].why
        registry.use("trial", 1, NOW + day, "tester", "")
        assert "has another shape than this code reads (KeyError: 'trees')" in why_learn(
            OtherShape(), registry, NOW + day, week
        )

    def test_is_learned_when_it_is_old_or_never_was_and_not_while_one_is_tried(self, registry: ModelRegistry) -> None:
        week = timedelta(days=7)
        assert why_learn(Pupil(), registry, NOW, week) == "it was never learned"
        train([Pupil()], History(pd.DataFrame()), registry, NOW)
        assert why_learn(Pupil(), registry, NOW + 2 * week, week) == ""
        registry.use("trial", 1, NOW, "tester", "")
        assert why_learn(Pupil(), registry, NOW + timedelta(days=6), week) == ""
        assert why_learn(Pupil(), registry, NOW + week, week) == "it was learned 7 days ago"


def habitual_house(folder: Path, days: int) -> Path:
    """A house whose store knows some weeks of a household with habits."""
    now = floor_time(datetime.now(UTC), QUARTER)
    random = np.random.RandomState(1)
    with Store(folder / "state", SystemClock()) as store:
        for k in range(1, 96 * days):
            start = now - k * QUARTER
            evening = 1.5 * (start.hour in (17, 18, 19))
            store.add_history(start, {"base_load_kw": (0.3 + evening) * float(np.exp(0.2 * random.standard_normal()))})
    house = folder / "pems.toml"
    house.write_text(HOUSE, encoding="utf-8")
    return house


@pytest.mark.slow
def test_a_household_is_learned_forecast_shown_and_taken_back_on_the_command_line(tmp_path: Path) -> None:
    house = str(habitual_house(tmp_path, 40))
    run = CliRunner()

    def said(*words: str, code: int = 0) -> str:
        done = run.invoke(pems, [*words, "--house", house])
        assert done.exit_code == code, done.output
        return done.output

    assert "nothing was learned yet" in said("models", "list")
    assert "base_load_kw: version 1 foresees in shadow" in said("train")
    assert "shadow" in said("models", "list")
    assert "version 1 is in use" in said("models", "promote", "base_load_kw", "1", "--reason", "seen enough")
    assert "in use" in said("models", "list")
    assert "base_load_kw" not in said("train", "--due")
    assert "trees and profiles" in said("models", "compare", "base_load_kw")

    registry = ModelRegistry(tmp_path / "state" / "models")
    learner = Versioned(LearnedLoad("Europe/Prague", "CZ"), "Europe/Prague")
    assert follow([learner], registry) == []
    with Store(tmp_path / "state", SystemClock(), writing=False) as store:
        history = History(store.history(40))
    now = datetime.now(UTC)
    horizon = Horizon.lengthening(now)
    forecast = asyncio.run(learner.forecast(horizon, SiteState(now, {}), history))["base_load_kw"]
    assert forecast.source.startswith("learned: ")
    assert forecast.source.endswith(", version 1")
    by_hour = {start.hour: kw for start, kw in zip(horizon.starts, forecast.values, strict=True)}
    assert by_hour[18] > 3 * by_hour[3]
    low, high = forecast.quantiles[0.1], forecast.quantiles[0.9]
    assert all(a <= kw <= b for a, kw, b in zip(low, forecast.values, high, strict=True))

    assert "no version is in use" in said("models", "rollback", "base_load_kw", "--reason", "a trial")
    story = said("models", "why", "base_load_kw")
    assert all(words in story for words in ("shadow", "learned anew", "seen enough", "a trial"))
    assert "version 1 is in use" in said("models", "promote", "base_load_kw", "1")
    assert "there are: base_load_kw" in said("models", "compare", "pv", code=1)
    assert "allowed: spot_price_per_kwh, base_load_kw, pv_given_kw, pv_kw" in said("train", "--model", "pv", code=2)


def test_without_a_model_the_next_in_the_chain_answers() -> None:
    forecaster = LearnedLoad("Europe/Prague")
    assert forecaster.expected(Horizon.lengthening(NOW), SiteState(NOW, {}), History(pd.DataFrame())) == {}


@pytest.mark.slow
def test_a_young_house_is_told_how_much_is_missing(tmp_path: Path) -> None:
    house = habitual_house(tmp_path, 5)
    done = CliRunner().invoke(pems, ["train", "--house", str(house)])
    assert done.exit_code == 1
    assert "at least 21 are needed" in done.output
