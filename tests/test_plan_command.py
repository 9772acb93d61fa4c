"""`pems plan`: what a person gets to see of one plan."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pems_core.cli import pems
from pems_core.commands.inputs import house_from
from pems_core.domain import BatterySpec, HybridInverterSpec, Learned
from pems_core.learning.battery_model import numbers_of
from pems_core.learning.registry import ModelRegistry

SMALL_HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"

[grid]
import_limit_kw = 17.0
export_limit_kw = 10.0

[[pv]]
peak_kw = 5.0
tilt_deg = 35.0
azimuth_deg = 180.0

[growatt]
ac_limit_kw = 10.0
battery_kwh = 10.0
charge_limit_kw = 5.0
discharge_limit_kw = 5.0
wear_cost_per_kwh = 0.01

[solver]
horizon_hours = 24
near_hours = 6
binary_hours = 3
"""
MADE = datetime(2025, 1, 10, tzinfo=UTC)
HEADER = "utc_start,import_price_per_kwh,feed_in_price_per_kwh,pv_kw,base_load_kw,outdoor_temperature_c,ghi_w_m2"


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    """PV and battery, no rooms."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL_HOUSE, encoding="utf-8")
    return path


@pytest.fixture
def cheap_night(tmp_path: Path) -> Path:
    """Two days: cheap until 04:00 UTC, cheapest first, dear from 16:00 to 20:00 UTC."""
    rows = [HEADER]
    for hour in range(48):
        price = 0.10 + 0.01 * (hour % 24) if hour % 24 < 4 else 0.50 if 16 <= hour % 24 < 20 else 0.25
        rows.append(f"2025-01-{15 + hour // 24}T{hour % 24:02d}:00Z,{price},0.02,0,1.5,0,0")
    path = tmp_path / "cheap_night.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(pems, ["plan", *map(str, arguments)])


def test_the_table_names_the_series_and_tells_the_reasons(small_house: Path, cheap_night: Path) -> None:
    shown = run("--house", small_house, "--scenario", cheap_night, "--at", "2025-01-15T00:00Z", "--soc", "0.2")
    assert shown.exit_code == 0, shown.output
    assert "cheap_night" in shown.output
    assert "realistic forecasts" in shown.output
    assert "grid charging 01:00" in shown.output
    assert "avoids 0.250" in shown.output
    assert "proven bound" in shown.output


def test_json_holds_plan_decisions_and_reasons(small_house: Path, cheap_night: Path) -> None:
    shown = run(
        "--house", small_house, "--scenario", cheap_night, "--at", "2025-01-15T00:00Z", "--soc", "0.2", "--json"
    )
    assert shown.exit_code == 0, shown.output
    data = json.loads(shown.output)
    assert (data["format"], data["rung"], data["currency"]) == ("pems-plan/1", "solver", "EUR")
    assert data["steps"][0]["start"] == "2025-01-15T00:00:00+00:00"
    assert len(data["steps"]) == 6 * 4 + 18
    charging = next(d for d in data["decisions"] if d["control"] == "battery_charge_grid" and d["value"])
    assert charging["reason"].startswith("grid charging")
    assert charging["saves"] > 0


def test_why_tells_what_other_choices_cost(small_house: Path, cheap_night: Path) -> None:
    shown = run("--house", small_house, "--scenario", cheap_night, "--at", "2025-01-15T00:00Z", "--soc", "0.2", "--why")
    assert shown.exit_code == 0, shown.output
    assert "What other choices would cost" in shown.output
    assert "grid_first" in shown.output
    assert "next best start" in shown.output


def test_without_a_scenario_the_series_are_generated_for_the_day_asked_for(small_house: Path) -> None:
    shown = run("--house", small_house, "--at", "2025-07-03", "--forecast", "perfect", "--json")
    assert shown.exit_code == 0, shown.output
    data = json.loads(shown.output)
    assert data["series"].startswith("generated_2025-07-03, generated with seed 1")
    # Midnight in Prague.
    assert datetime.fromisoformat(data["made_at"]) == datetime(2025, 7, 2, 22, 0, tzinfo=UTC)
    assert max(step["forecasts"]["pv_kw"] for step in data["steps"]) > 1.0


def test_the_state_of_charge_is_that_of_the_option(small_house: Path, cheap_night: Path) -> None:
    shown = run(
        "--house", small_house, "--scenario", cheap_night, "--at", "2025-01-15T12:00Z", "--soc", "0.9", "--json"
    )
    first = json.loads(shown.output)["steps"][0]
    assert first["levels"]["inverter.soc"] == pytest.approx(0.9, abs=0.05)


def test_the_picture_is_drawn(small_house: Path, cheap_night: Path, tmp_path: Path) -> None:
    picture = tmp_path / "out" / "plan.png"
    shown = run("--house", small_house, "--scenario", cheap_night, "--at", "2025-01-15T00:00Z", "--picture", picture)
    assert shown.exit_code == 0, shown.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_time_that_cannot_be_read_is_told_with_what_is_allowed(small_house: Path) -> None:
    shown = run("--house", small_house, "--at", "tomorrow")
    assert shown.exit_code == 2
    assert "--at: found 'tomorrow'; allowed: a day such as" in shown.output


def test_a_time_outside_the_scenario_is_told(small_house: Path, cheap_night: Path) -> None:
    shown = run("--house", small_house, "--scenario", cheap_night, "--at", "2025-03-01T00:00Z")
    assert shown.exit_code == 2
    assert "cheap_night: the start is 2025-03-01" in shown.output


class TestWhatWasIdentified:
    """The battery holds 4 kWh, and not the 10 of the house file."""

    @pytest.fixture
    def registry(self, small_house: Path) -> ModelRegistry:
        registry, spec = ModelRegistry(small_house.parent / "state" / "models"), inverter_of(small_house)
        numbers = numbers_of(spec)
        content = {"configured": numbers, "numbers": {**numbers, "capacity_kwh": 4.0}, "kept": []}
        version = registry.add("inverter_battery", Learned(content, MADE, MADE, {"mae_soc": 0.01}), MADE)
        registry.use("inverter_battery", version.number, MADE, "identification", "it wins")
        return registry

    def test_is_planned_with_as_a_house_that_runs_does_and_told(
        self, small_house: Path, cheap_night: Path, registry: ModelRegistry
    ) -> None:
        asked = (
            "--house",
            small_house,
            "--scenario",
            cheap_night,
            "--at",
            "2025-01-15T00:00Z",
            "--soc",
            "0.2",
            "--json",
        )
        identified, in_file = run(*asked), run(*asked, "--as-in-file")
        assert "with what was identified, as pems run plans: inverter_battery version 1" in identified.stderr
        assert "identified" not in in_file.stderr
        data, as_in_file = json.loads(identified.stdout), json.loads(in_file.stdout)
        assert data["identified"]["inverter"]["capacity_kwh"] == 4.0
        assert "identified" not in as_in_file
        stored, in_file_stored = (
            sum(step["flows"]["inverter.charge_kw"] for step in plan["steps"][:16]) for plan in (data, as_in_file)
        )
        assert stored < 0.5 * in_file_stored

    def test_is_done_without_and_told_when_its_file_is_broken(
        self, small_house: Path, cheap_night: Path, registry: ModelRegistry
    ) -> None:
        (registry.folder / "inverter_battery-1.json").write_text("{}", encoding="utf-8")
        shown = run("--house", small_house, "--scenario", cheap_night, "--at", "2025-01-15T00:00Z", "--json")
        assert shown.exit_code == 0, shown.output
        assert "inverter is taken as the house file has it: inverter_battery: " in shown.stderr
        assert "identified" not in json.loads(shown.stdout)

    def test_is_left_alone_where_the_house_wants_it_so(
        self, small_house: Path, cheap_night: Path, registry: ModelRegistry
    ) -> None:
        with small_house.open("a", encoding="utf-8") as file:
            file.write("\n[learning]\nidentify = false\n")
        shown = run("--house", small_house, "--scenario", cheap_night, "--at", "2025-01-15T00:00Z", "--json")
        assert shown.exit_code == 0, shown.output
        assert "identified" not in json.loads(shown.stdout)

    def test_a_simulation_lives_with_it_too_and_can_be_replayed(
        self, small_house: Path, cheap_night: Path, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        ledger = tmp_path / "run.sqlite3"
        words = ["--house", small_house, "--scenario", cheap_night, "--days", "0.25", "--every", "60", "--no-bound"]
        words += ["--start", "2025-01-15T18:00Z", "--no-baselines", "--report", tmp_path / "r.html", "--ledger", ledger]
        done = CliRunner().invoke(pems, ["simulate", *map(str, words)])
        assert done.exit_code == 0, done.output
        assert "inverter_battery version 1" in done.stderr
        assert "identified numbers of inverter" in (tmp_path / "r.html").read_text(encoding="utf-8")
        again = CliRunner().invoke(pems, ["replay", "2", "--house", str(small_house), "--ledger", str(ledger)])
        assert "the same to the last bit" in again.output, again.output


def inverter_of(house: Path) -> BatterySpec:
    spec = house_from(house).equipment["inverter"]
    assert isinstance(spec, HybridInverterSpec)
    assert spec.battery is not None
    return spec.battery
