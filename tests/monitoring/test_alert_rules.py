"""Each rule fires once and clears once; what flaps is no flood; letters come together, and at the right hours."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from pems_core.alerting.judge import Judge, key
from pems_core.alerting.letters import Habits, Letters
from pems_core.alerting.measured import ErrorTrend, comfort_fault, disk_fault, savings_fault
from pems_core.alerting.rules import BY_NAME, RULES, Rule, rule_of
from pems_core.config.recording import RULE_NAMES
from pems_core.domain import Alert, ComfortBand, Severity
from tests.test_docs import ROOT, anchors

START = datetime(2025, 1, 15, 10, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVERY = timedelta(seconds=10)
BAND = ComfortBand(21.0, 20.0, 22.0)


def alert(rule: str, since: datetime = START, severity: Severity = Severity.WARNING, place: str = "here") -> Alert:
    return Alert(severity, place, f"found 1 at {since:%H:%M:%S}", since, rule)


def looks(judge: Judge, spells: Iterable[tuple[float, bool]], rule: str) -> Iterator[tuple[datetime, str]]:
    """What is told in a course of spells [min], in each of which something is wrong or right."""
    now = START
    for minutes, wrong in spells:
        since = now
        while now < since + minutes * MINUTE:
            news = judge.look([alert(rule, since)] if wrong else [], now)
            yield from ((now, "begun") for _ in news.begun)
            yield from ((now, "over") for _ in news.over)
            now += EVERY


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
class TestRule:
    def test_fires_once_and_clears_once(self, rule: Rule) -> None:
        begins, ends = rule.begins_after / MINUTE, rule.ends_after / MINUTE
        course = [(30, False), (begins + 45, True), (ends + 30, False)]
        [begun, over] = list(looks(Judge(), course, rule.name))
        assert (begun[1], over[1]) == ("begun", "over")
        assert timedelta(0) <= begun[0] - (START + 30 * MINUTE + rule.begins_after) <= EVERY
        assert timedelta(0) <= over[0] - (START + (75 + begins) * MINUTE + rule.ends_after) <= EVERY

    def test_what_comes_and_goes_is_no_flood(self, rule: Rule) -> None:
        flapping = [(0.5, True), (0.5, False)] * (24 * 60)
        told = list(looks(Judge(), flapping, rule.name))
        assert len([one for one in told if one[1] == "begun"]) <= (1 if rule.ends_after else 3 * 24)
        assert len(told) <= 6 * 24

    def test_slow_flapping_is_told_three_times_an_hour_at_most(self, rule: Rule) -> None:
        spell = (rule.begins_after + rule.ends_after) / MINUTE + 1
        told = [at for at, what in looks(Judge(), [(spell, True), (spell, False)] * 12, rule.name) if what == "begun"]
        assert told
        for at in told:
            assert len([other for other in told if timedelta(0) <= other - at < HOUR]) <= 3

    def test_says_what_to_do_and_where_more_is_said(self, rule: Rule) -> None:
        page, _, anchor = rule.link.partition("#")
        assert anchor in anchors(ROOT / page)
        assert len(rule.todo) > 20

    def test_nobody_hears_of_a_rule_that_is_not_wanted(self, rule: Rule) -> None:
        judge = Judge(without=frozenset([rule.name]))
        assert not list(looks(judge, [(300, True), (300, False)], rule.name))


def test_the_house_file_knows_every_rule() -> None:
    assert tuple(rule.name for rule in RULES) == RULE_NAMES


def test_an_alert_without_a_rule_is_told_at_once_and_its_end_too() -> None:
    told = list(looks(Judge(), [(1, False), (1, True), (1, False)], ""))
    assert [(at - START, what) for at, what in told] == [(MINUTE, "begun"), (2 * MINUTE, "over")]


def test_without_a_rule_of_its_own_a_flapping_alert_is_damped_too() -> None:
    told = [what for _, what in looks(Judge(), [(0.5, True), (0.5, False)] * 60, "")]
    assert told.count("begun") == 3


def test_two_matters_of_one_place_are_two_alerts() -> None:
    news = Judge().look([alert("no_effect"), alert("write_budget")], START)
    assert [rule_of(one).name for one in news.begun] == ["no_effect", "write_budget"]


def test_what_held_for_long_before_a_restart_need_not_wait_again() -> None:
    news = Judge().look([alert("comfort", START - HOUR)], START)
    assert len(news.begun) == 1


def test_an_acknowledged_alert_is_known_until_it_is_over() -> None:
    judge = Judge()
    judge.look([alert("device_lost")], START)
    assert judge.acknowledge("nowhere", None, "ann", START, START + DAY) == []
    [known] = judge.acknowledge("here", "device_lost", "ann", START, START + DAY)
    assert judge.acknowledged[key(known)].by == "ann"
    judge.look([alert("device_lost")], START + HOUR)
    assert key(known) in judge.acknowledged
    judge.look([], START + 2 * HOUR)
    judge.look([], START + 3 * HOUR)
    assert judge.acknowledged == {}


class TestMeasured:
    def test_a_room_in_use_is_told_beyond_what_is_allowed_and_right_again_below_half_of_it(self) -> None:
        assert comfort_fault(19.1, BAND, 1.0, already=False) == ""
        assert comfort_fault(18.9, BAND, 1.0, already=False) == "18.9 °C, 1.1 K below the band; 1 K is allowed"
        assert comfort_fault(19.4, BAND, 1.0, already=True)
        assert comfort_fault(19.6, BAND, 1.0, already=True) == ""
        assert "above the band" in comfort_fault(23.4, BAND, 1.0, already=False)

    def test_an_empty_room_may_be_cold(self) -> None:
        assert comfort_fault(10.0, ComfortBand(21.0, 20.0, 22.0, occupied=False), 1.0, already=False) == ""

    def test_a_disk_must_have_some_more_room_to_be_right_again(self) -> None:
        assert disk_fault(501.0, 500.0, already=False) == ""
        assert disk_fault(499.0, 500.0, already=False) == "499 MB are free; 500 MB are needed"
        assert disk_fault(590.0, 500.0, already=True)
        assert disk_fault(610.0, 500.0, already=True) == ""

    @pytest.mark.parametrize(
        ("by_day", "told"),
        [([20, 20, 20, 9], True), ([20, 20, 20, 11], False), ([20, 9], False), ([], False), ([-5, -5, -5, -9], False)],
    )
    def test_a_day_that_saves_little_is_told_once_there_are_days_to_compare(
        self, by_day: list[float], told: bool
    ) -> None:
        assert bool(savings_fault(by_day, 0.5)) is told

    def test_a_forecast_that_got_worse_is_told_and_one_that_was_always_bad_is_not(self) -> None:
        trend = ErrorTrend(2.0)
        quarters = [START + k * 15 * MINUTE for k in range(5 * 96)]
        for at in quarters:
            bad_now = at >= START + 4 * DAY
            trend.note(at, [("pv_kw", 1.5 if bad_now else 0.5), ("base_load_kw", 3.0)])
        faults = trend.faults(quarters[-1])
        assert faults["pv_kw"] == "mean error 1.50 in the last day, 0.50 before; 2 times as much is allowed"
        assert faults["base_load_kw"] == ""

    def test_a_forecast_of_a_few_days_says_nothing(self) -> None:
        trend = ErrorTrend(2.0)
        for k in range(2 * 96):
            trend.note(START + k * 15 * MINUTE, [("pv_kw", 0.1 if k < 96 else 9.0)])
        assert trend.faults(START + 2 * DAY) == {"pv_kw": ""}


def letters(quiet: tuple[time, time] | None = None, least: Severity = Severity.WARNING) -> Letters:
    return Letters(Habits("home", ZoneInfo("Europe/Prague"), least, quiet, docs="https://docs.example"))


CRITICAL = alert("device_lost", severity=Severity.CRITICAL, place="inverter")
WARNING = alert("comfort", place="heating/kitchen")


class TestLetters:
    def test_what_comes_together_comes_in_one_letter_with_what_to_do(self) -> None:
        to = letters()
        to.take([WARNING], [], START)
        assert to.due(START + 30 * timedelta(seconds=1)) is None
        to.take([CRITICAL], [], START + 30 * timedelta(seconds=1))
        letter = to.due(START + MINUTE)
        assert letter is not None
        assert letter.title == "PEMS home: 2 new"
        assert letter.severity is Severity.CRITICAL
        lines = letter.body.splitlines()
        # The worst comes first; times are those of the house.
        assert lines[0] == "CRITICAL inverter: found 1 at 10:00:00 (since 15.01. 11:00)"
        assert lines[1] == f"  What to do: {BY_NAME['device_lost'].todo}"
        assert lines[2] == "  https://docs.example/docs/monitoring.md#device-lost"
        assert lines[3].startswith("WARNING heating/kitchen")
        assert to.due(START + 2 * MINUTE) is None

    def test_what_came_and_went_before_the_letter_is_not_told(self) -> None:
        to = letters()
        to.take([WARNING], [], START)
        to.take([], [WARNING], START + EVERY)
        assert to.due(START + 2 * MINUTE) is None

    def test_the_end_of_what_was_told_is_told(self) -> None:
        to = letters()
        to.take([WARNING], [], START)
        assert to.due(START + MINUTE) is not None
        to.take([], [WARNING], START + HOUR)
        letter = to.due(START + HOUR + MINUTE)
        assert letter is not None
        assert letter.title == "PEMS home: heating/kitchen is right again"
        assert letter.severity is Severity.INFO

    def test_at_quiet_hours_only_what_is_critical_is_told_and_the_rest_after_them(self) -> None:
        to = letters((time(22), time(6)))
        night = datetime(2025, 1, 15, 22, 30, tzinfo=UTC)
        to.take([WARNING, CRITICAL], [], night)
        letter = to.due(night + MINUTE)
        assert letter is not None
        assert "heating/kitchen" not in letter.body
        # Six o'clock in the house.
        assert to.due(datetime(2025, 1, 16, 4, 59, tzinfo=UTC)) is None
        letter = to.due(datetime(2025, 1, 16, 5, 0, tzinfo=UTC))
        assert letter is not None
        assert "heating/kitchen" in letter.body

    def test_what_is_not_grave_enough_is_never_told(self) -> None:
        to = letters(least=Severity.CRITICAL)
        to.take([WARNING], [], START)
        to.take([], [WARNING], START + HOUR)
        assert to.due(START + 2 * HOUR) is None

    def test_somebody_is_reminded_of_what_is_critical_until_they_know(self) -> None:
        to = letters()
        to.take([CRITICAL, WARNING], [], START)
        assert to.due(START + MINUTE) is not None
        assert to.due(START + 6 * HOUR) is None
        letter = to.due(START + 6 * HOUR + MINUTE)
        assert letter is not None
        assert letter.body.startswith("STILL CRITICAL inverter")
        assert "heating" not in letter.body
        assert to.due(START + 13 * HOUR, {key(CRITICAL): "ann"}) is None
        assert to.due(START + 13 * HOUR) is not None

    def test_a_storm_of_alerts_is_one_letter_that_can_be_read(self) -> None:
        to = letters()
        to.take([alert("comfort", place=f"heating/room_{k}") for k in range(50)], [], START)
        letter = to.due(START + MINUTE)
        assert letter is not None
        assert letter.title == "PEMS home: 50 new"
        assert len(letter.body.splitlines()) == 21
