"""`pems simulate` and `pems plan`: what is wrong with their options is told before anything is computed."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pems_core.cli import pems

HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"

[grid]
import_limit_kw = 17.0
"""
HOURLY = Path(__file__).parents[1] / "examples" / "generated_winter_day.csv"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    path = tmp_path / "house.toml"
    path.write_text(HOUSE, encoding="utf-8")
    return path


def simulate(house: Path, *options: str) -> Result:
    report = str(house.with_name("report.html"))
    return CliRunner().invoke(pems, ["simulate", "--house", str(house), "--report", report, *options])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--days", "0.1"), "--days: found 0.1; allowed: quarter hours"),
        (("--days", "0"), "--days: found 0; allowed"),
        (("--days", "nan"), "--days: found nan; allowed"),
        (("--days", "inf"), "--days: found inf; allowed"),
        (("--days", "1e9"), "--days: found 1e+09; allowed"),
        (("--days", "3"), "ends at 2025-01-17T23:00:00+00:00"),
        (("--days", "1", "--start", "2030-01-01"), "starts at 2029-12-31T23:00:00+00:00"),
        (("--days", "1", "--start", "soon"), "--start: found 'soon'; allowed: a day such as"),
        (("--days", "1", "--start", "0001-01-01"), "--start: found '0001-01-01'; allowed: a day such as"),
        (("--days", "1", "--start", "2025-01-15T00:15Z"), "starts at 2025-01-15T00:15:00+00:00; steps of 60 min"),
        (("--days", "0.25", "--start", "2025-01-15T00:15Z"), "ends at 2025-01-15T06:15:00+00:00; steps of 60 min"),
        (("--days", "1", "--strategy", "lowest_bil"), "strategy: found 'lowest_bil'; allowed"),
        (("--soc", "nan"), "nan is not in the range 0<=x<=1"),
        (("--soc", "-1"), "-1.0 is not in the range 0<=x<=1"),
        (("--seed", "-1"), "-1 is not in the range 0<=x<=4294967295"),
    ],
)
def test_an_option_that_cannot_be_is_told(house: Path, options: tuple[str, ...], told: str) -> None:
    done = simulate(house, "--scenario", str(HOURLY), *options)

    assert done.exit_code == 2
    assert told in done.output


def test_files_that_cannot_be_written_are_told_before_the_run(house: Path) -> None:
    inside_a_file = house / "out.csv"

    done = simulate(house, "--days", "1", "--export", str(inside_a_file), "--picture", str(inside_a_file))

    assert done.exit_code == 2
    assert [line.split(":")[0] for line in done.output.splitlines()] == ["--export", "--picture"]
    assert not house.with_name("report.html").exists()


def test_a_plan_tells_times_and_pictures_that_cannot_be(house: Path) -> None:
    for option, value in (("--at", "0001-01-01"), ("--picture", str(house / "plan.png"))):
        done = CliRunner().invoke(pems, ["plan", "--house", str(house), option, value])

        assert done.exit_code == 2
        assert done.output.startswith(f"{option}: found {value!r}")


def test_a_zipped_scenario_that_was_cut_off_is_told(house: Path) -> None:
    cut = house.with_name("cut.csv.gz")
    cut.write_bytes(bytes.fromhex("1f8b08000000000000034b"))

    done = simulate(house, "--scenario", str(cut))

    assert done.exit_code == 2
    assert done.output.startswith("cut.csv.gz cannot be read")


def test_without_a_number_of_days_a_scenario_is_run_to_its_end(house: Path) -> None:
    flows = house.with_name("flows.csv")
    done = simulate(house, "--scenario", str(HOURLY), "--export", str(flows), "--no-bound", "--no-baselines")

    assert done.exit_code == 0, done.output
    assert "2 days" in done.output
    assert flows.read_text(encoding="utf-8").splitlines()[-1].startswith("2025-01-16T22:45")
