"""The arithmetic of the benchmarks, on made-up costs and flows."""

from datetime import UTC, datetime, time
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.__main__ import command
from benchmarks.arithmetic import (
    cheap_charging_percent,
    cheapest_quarters,
    gap_percent,
    grid_charged_kwh,
    growth_exponent,
    heating_cost,
    mean_temperature_c,
    percentile,
    possible_percent,
    saving_percent,
    sold_below_zero_kwh,
    warmth_difference_kwh,
)
from benchmarks.houses import grown
from benchmarks.rows import Bar, Results, Row, load, save
from benchmarks.setting import Benchmark
from benchmarks.table import BEGIN, END, between_markers, draw_growth, markdown, shown
from pems_core.domain import ComfortBand, ComfortSchedule, RoomSpec

PRAGUE = "Europe/Prague"
SCHEDULE = ComfortSchedule(((time(0), ComfortBand(21.0, 20.0, 22.0)),), PRAGUE)


def room(name: str, outside_kw_per_k: float = 0.1, neighbours: dict[str, float] | None = None) -> RoomSpec:
    return RoomSpec(name, 1.0, SCHEDULE, 1.0, 0.5, 0.2, outside_kw_per_k, neighbours or {})


def quarters(count: int, start: datetime = datetime(2025, 1, 13, 23, tzinfo=UTC)) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq="15min", name="utc_start")


def test_a_saving_is_told_of_what_the_baseline_costs() -> None:
    assert saving_percent(75.0, 100.0) == 25.0
    assert saving_percent(-20.0, 100.0) == 120.0


def test_a_saving_on_a_house_that_earns_money_is_not_a_share() -> None:
    assert saving_percent(-30.0, -10.0) is None


def test_a_week_with_little_at_stake_counts_little_in_what_was_possible() -> None:
    # All of 100 in one week, nothing of 1 in the other.
    assert possible_percent([0.0, 11.0], [100.0, 11.0], [0.0, 10.0]) == pytest.approx(100 * 100 / 101)


def test_nothing_to_save_gives_no_share() -> None:
    assert possible_percent([10.0], [10.0], [10.0]) is None


def test_gaps_are_told_of_the_bill_without_planning() -> None:
    assert gap_percent([1.0, 3.0], [150.0, 250.0]) == pytest.approx(1.0)


def test_a_percentile_is_one_of_the_values() -> None:
    seconds = [float(i) for i in range(1, 101)]
    assert percentile(seconds, 0.95) == 95.0
    assert percentile([7.0], 0.95) == 7.0


def test_twice_the_rooms_in_twice_the_time_is_linear() -> None:
    assert growth_exponent((5, 40), (0.5, 4.0)) == pytest.approx(1.0)
    assert growth_exponent((5, 40), (1.0, 2.0)) < 1


def test_the_battery_is_charged_from_the_grid_by_what_is_imported_meanwhile() -> None:
    flows = pd.DataFrame({"grid_import_kw": [4.0, 1.0, 2.0], "battery_charge_kw": [2.0, 3.0, 0.0]}, index=quarters(3))
    assert grid_charged_kwh(flows).tolist() == [0.5, 0.25, 0.0]


def test_the_cheapest_fifth_is_of_each_local_day() -> None:
    prices = pd.Series([float(i) for i in range(96)] + [1000.0 - i for i in range(96)], index=quarters(192))
    cheap = cheapest_quarters(prices, PRAGUE)
    assert cheap.iloc[:96].tolist() == [True] * 20 + [False] * 76
    assert cheap.iloc[96:].tolist() == [False] * 76 + [True] * 20


def test_equal_prices_of_an_hour_are_cheap_together() -> None:
    hourly = pd.Series([float(i // 4) for i in range(96)], index=quarters(96))
    assert cheapest_quarters(hourly, PRAGUE, share=0.18).sum() == 20


def test_cheap_charging_is_a_share_of_the_energy() -> None:
    prices = pd.Series([float(i) for i in range(96)], index=quarters(96))
    charging = [3.0] * 10 + [0.0] * 50 + [1.0] * 10 + [0.0] * 26
    flows = pd.DataFrame({"grid_import_kw": 9.0, "battery_charge_kw": charging}, index=quarters(96))
    assert cheap_charging_percent(flows, prices, PRAGUE) == pytest.approx(75.0)


def test_only_feed_in_below_zero_counts_as_sold_below_zero() -> None:
    flows = pd.DataFrame({"grid_export_kw": [4.0, 4.0, 4.0]}, index=quarters(3))
    assert sold_below_zero_kwh(flows, pd.Series([-0.1, 0.0, 0.1], index=quarters(3))) == 1.0


def test_heating_is_priced_when_it_runs() -> None:
    flows = pd.DataFrame({"heating_kw": [4.0, 0.0]}, index=quarters(2))
    assert heating_cost(flows, pd.Series([3.0, 9.0], index=quarters(2))) == 3.0


def test_a_warmer_room_loses_more_by_its_conductance() -> None:
    rooms = (room("hall", 0.2), room("bath", 0.1))
    warm = pd.DataFrame({"hall_c": [21.0] * 8, "bath_c": [22.0] * 8}, index=quarters(8))
    cool = pd.DataFrame({"hall_c": [20.0] * 8, "bath_c": [24.0] * 8}, index=quarters(8))
    # Two hours: 0.2 kW/K * 1 K - 0.1 kW/K * 2 K.
    assert warmth_difference_kwh(warm, cool, rooms) == pytest.approx(0.0)
    assert warmth_difference_kwh(warm, cool, rooms[:1]) == pytest.approx(0.4)
    assert mean_temperature_c(warm, rooms) == pytest.approx((2 * 21.0 + 22.0) / 3)


def test_copied_rooms_stand_beside_each_other_as_the_originals_do() -> None:
    rooms = grown((room("hall", neighbours={"bath": 0.05}), room("bath")), 4)
    assert [r.name for r in rooms] == ["hall", "bath", "hall_2", "bath_2"]
    assert rooms[2].neighbours["bath_2"] == 0.05
    assert "hall" in rooms[2].neighbours


def test_a_smaller_house_has_no_walls_to_rooms_that_are_gone() -> None:
    (only,) = grown((room("hall", neighbours={"bath": 0.05}), room("bath")), 1)
    assert only.neighbours == {}


@pytest.mark.parametrize(
    ("bar", "value", "reached"),
    [(Bar("<", 5.0), 5.0, False), (Bar("<=", 5.0), 5.0, True), (Bar(">", 30.0), 30.0, False), (Bar("=", 0), 1, False)],
)
def test_a_bar_holds_its_edge(bar: Bar, value: float, reached: bool) -> None:
    assert Row("x", value, "", bar).reached is reached


def test_what_is_not_defined_reaches_no_bar() -> None:
    assert Row("share", None, "%", Bar(">=", 92.0)).reached is False
    assert Row("share", None, "%").reached is None


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    rows = (Row("time", 1.5, "s", Bar("<", 5.0)), Row("rooms", 2.0, "s", along="rooms", at=17.0), Row("none", None))
    results = Results("plan_time", {"command": "python -m benchmarks plan_time"}, rows)
    save(results, tmp_path)
    assert load(tmp_path / "plan_time.json") == results
    assert [path.name for path in tmp_path.iterdir()] == ["plan_time.json"]


def test_what_people_wrote_around_the_results_stays() -> None:
    text = f"# Benchmarks\n\nRead this.\n\n{BEGIN}\n\nold\n\n{END}\n\nAnd that.\n"
    assert between_markers(text, "new") == text.replace("old", "new")
    with pytest.raises(ValueError, match="each once"):
        between_markers("# Benchmarks\n", "new")


def test_the_document_names_missed_bars_and_what_was_not_run() -> None:
    asked = [Benchmark(name, name.title(), "How.", lambda _: iter(())) for name in ("speed", "savings")]
    rows = (Row("fast", 1.0, "s", Bar("<", 5.0)), Row("slow", 9.0, "s", Bar("<", 5.0)))
    text = markdown(asked, [Results("speed", {"machine": "2 x Processor"}, rows)], "2025-12-01")
    assert "1 of 2 bars are reached" in text
    assert "| slow | 9.00 s | < 5 | **no** |" in text
    assert "Not run: savings" in text


def test_what_all_results_share_is_told_once() -> None:
    asked = [Benchmark(name, name.title(), "How.", lambda _: iter(())) for name in ("speed", "savings")]
    abouts = ({"machine": "2 x Processor", "code": "a"}, {"machine": "2 x Processor", "code": "b"})
    found = [Results(b.name, about, ()) for b, about in zip(asked, abouts, strict=True)]
    text = markdown(asked, found, "2025-12-01")
    assert text.count("- machine: 2 x Processor") == 1
    assert text.index("- machine") < text.index("## Speed") < text.index("- code: a") < text.index("- code: b")


def test_the_command_leaves_out_where_results_were_put() -> None:
    told = command(["growth", "--folder", "somewhere", "--full", "--folder=elsewhere"])
    assert told == "python -m benchmarks growth --full"


def test_values_show_the_digits_that_say_something() -> None:
    values = [Row("", 1234.56, "CZK"), Row("", 12.34, "%"), Row("", 0.123, "s"), Row("", 3), Row("", None)]
    assert [shown(row) for row in values] == ["1235 CZK", "12.3 %", "0.12 s", "3", "not defined"]


def test_the_same_growth_gives_the_same_picture(tmp_path: Path) -> None:
    rows = [Row("", 1.0 * i, "s", along=along, at=10.0 * i) for along in ("rooms", "steps") for i in (1, 2, 3)]
    for name in ("a.png", "b.png"):
        draw_growth(rows, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_what_was_not_run_again_stays_in_the_document() -> None:
    asked = [Benchmark(name, name.title(), "How.", lambda _: iter(())) for name in ("speed", "savings", "growth")]
    old = markdown(asked, [Results("speed", {}, (Row("slow", 9.0, "s", Bar("<", 5.0)),))], "2025-12-01")
    document = f"# Benchmarks\n\n{BEGIN}\n\n{old}\n\n{END}\n"
    text = markdown(asked, [Results("savings", {}, (Row("saved", 9.0, "%", Bar(">", 5.0)),))], "2025-12-02", document)
    assert "Written 2025-12-02. 1 of 2 bars are reached. Not run: growth." in text
    assert text.index("| slow | 9.00 s | < 5 | **no** |") < text.index("| saved | 9.00 % | > 5 | yes |")
