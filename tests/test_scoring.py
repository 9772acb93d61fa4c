"""How good forecasts were, against what happened and against what needs no forecaster."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pems_core.domain import HOUR, QUARTER
from pems_core.forecasting import scoring

PRAGUE = "Europe/Prague"
NOW = datetime(2025, 1, 20, 6, tzinfo=UTC)


def measured(days: int = 14, end: datetime = NOW + timedelta(days=2)) -> "pd.Series[float]":
    """The hour of the day in UTC, and each day 1 more than the one before."""
    index = pd.date_range(end - timedelta(days=days), end, freq="15min", inclusive="left")
    return pd.Series(index.hour + (index - index[0].normalize()).days, index=index, dtype=float)


def foretold(
    values: list[float], issued: datetime = NOW, step: timedelta = HOUR, ahead: timedelta = HOUR
) -> pd.DataFrame:
    starts = [issued + ahead + k * step for k in range(len(values))]
    return pd.DataFrame(
        {"issued_at": issued, "start": starts, "end": [s + step for s in starts], "value": values, "source": "trial"}
    )


class TestMeasures:
    def test_the_median_is_what_loses_least_at_one_half(self) -> None:
        truth = np.array([0.0, 1.0, 10.0])
        losses = [scoring.pinball(np.full(3, x), truth, 0.5) for x in (0.5, 1.0, 3.0)]
        assert losses[1] == min(losses)
        assert losses[1] == pytest.approx(scoring.mae(np.full(3, 1.0), truth) / 2)

    def test_too_high_is_a_bias_above_zero(self) -> None:
        assert scoring.bias(np.array([2.0, 4.0]), np.array([1.0, 3.0])) == 1.0

    def test_what_was_not_measured_is_not_counted(self) -> None:
        truth = np.array([1.0, np.nan])
        assert scoring.mae(np.array([2.0, 99.0]), truth) == 1.0
        assert scoring.covered(np.zeros(2), np.ones(2), truth) == 1.0

    def test_skill_is_the_share_of_the_error_that_is_saved(self) -> None:
        truth = np.zeros(2)
        assert scoring.skill(np.full(2, 1.0), np.full(2, 4.0), truth) == 0.75


class TestCompared:
    def test_yesterday_is_the_last_day_that_was_measured_when_it_was_said(self) -> None:
        # Issued at 06:00: of 07:00 today the day before is known, of 07:00 tomorrow only the day before today.
        found = scoring.compared(foretold([0.0] * 26), measured(), PRAGUE)
        truth, before = found["truth"].to_numpy(), found[scoring.PERSISTENCE].to_numpy()
        assert truth[0] - before[0] == 1.0
        assert truth[25] - before[25] == 2.0

    def test_the_week_is_the_mean_of_the_seven_days_that_were_known(self) -> None:
        [row] = scoring.compared(foretold([0.0]), measured(), PRAGUE).to_dict("records")
        assert row["truth"] - row[scoring.MEAN_OF_WEEK] == pytest.approx(4.0)

    def test_hold_last_is_the_hour_before_the_issue(self) -> None:
        series = measured()
        [row] = scoring.compared(foretold([0.0]), series, PRAGUE).to_dict("records")
        assert row[scoring.HOLD_LAST] == series[NOW - HOUR]

    def test_steps_of_any_length_meet_the_mean_of_their_time(self) -> None:
        series = measured()
        [row] = scoring.compared(foretold([0.0], step=3 * HOUR), series, PRAGUE).to_dict("records")
        begin = NOW + HOUR
        assert row["truth"] == pytest.approx(series[begin : begin + 3 * HOUR - QUARTER].mean())

    def test_of_a_step_that_was_hardly_measured_nothing_is_said(self) -> None:
        series = measured()
        series[NOW + HOUR : NOW + HOUR + 2 * QUARTER] = np.nan
        [row] = scoring.compared(foretold([0.0]), series, PRAGUE).to_dict("records")
        assert np.isnan(row["truth"])

    def test_the_same_time_is_the_local_one_when_clocks_change(self) -> None:
        # 30 March 2025: clocks go forward at 01:00 UTC; 18:00 local is 16:00 UTC on that day, 17:00 UTC the day before.
        now = datetime(2025, 3, 30, 12, tzinfo=UTC)
        series = measured(end=now + timedelta(days=1))
        [row] = scoring.compared(foretold([0.0], now, ahead=4 * HOUR), series, PRAGUE).to_dict("records")
        assert row[scoring.PERSISTENCE] == series[datetime(2025, 3, 29, 17, tzinfo=UTC)]

    def test_yesterdays_time_of_day_that_is_still_to_come_is_not_known_when_clocks_go_forward(self) -> None:
        # 23.5 h ahead, but by the clock on the wall more than a day: 13:30 of 29 March had not ended at its 13:00.
        now = datetime(2025, 3, 29, 12, tzinfo=UTC)
        series = measured(end=now + timedelta(days=2))
        [row] = scoring.compared(foretold([0.0], now, ahead=timedelta(hours=23)), series, PRAGUE).to_dict("records")
        assert row[scoring.PERSISTENCE] == series[datetime(2025, 3, 28, 12, tzinfo=UTC)]


class TestScores:
    def test_tells_each_horizon_and_all(self) -> None:
        table = foretold([0.0] * 30)
        found = scoring.scores(scoring.compared(table, measured(), PRAGUE))
        assert list(found.index) == ["1-6 h", "6-12 h", "12-24 h", "24-48 h", "all"]
        assert found["count"].tolist() == [5, 6, 12, 7, 30]

    def test_a_perfect_forecast_has_no_error_and_all_the_skill(self) -> None:
        table = scoring.compared(foretold([0.0] * 12), measured(), PRAGUE)
        table["value"] = table["truth"]
        table["p10"], table["p90"] = table["truth"] - 1, table["truth"] + 1
        row = scoring.scores(table).loc["all"]
        assert (row["mae"], row["rmse"], row["bias"]) == (0.0, 0.0, 0.0)
        assert row["covered"] == 1.0
        assert row["skill_persistence"] == row["skill_mean_7_days"] == 1.0
        assert row["pinball"] == pytest.approx(0.1)

    def test_a_quantile_that_is_nothing_counts_as_the_others(self) -> None:
        table = scoring.compared(foretold([0.0] * 12), measured(), PRAGUE).assign(truth=1.0, p10=0.0, p90=1.0)
        assert scoring.scores(table).loc["all"]["pinball"] == pytest.approx((0.1 + 0.0) / 2)

    def test_without_anything_that_happened_there_is_no_row(self) -> None:
        later = NOW + timedelta(days=30)
        assert scoring.scores(scoring.compared(foretold([0.0], later), measured(), PRAGUE)).empty
