"""The example plugin works as a stranger's would: built, installed in a folder of its own, found, and planned with."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from pems_core.cli import pems

EXAMPLE = Path(__file__).parents[1] / "examples/plugin_pool_pump"
HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"

[grid]
import_limit_kw = 17.0

[pool_pump]
power_kw = 0.8
hours_per_day = 5.0
skipped_price_per_kwh = 10.0
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin as an installer puts it there: the content of its wheel."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("target")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels)]
    subprocess.run(build, cwd=EXAMPLE, check=True, capture_output=True)
    [wheel] = wheels.glob("pems_pool_pump-*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(target)
    return target


@pytest.fixture
def house(tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a house with a pool, where the plugin is installed."""
    monkeypatch.syspath_prepend(str(installed))
    path = tmp_path / "pems.toml"
    path.write_text(HOUSE, encoding="utf-8")
    return path


def test_it_is_found_and_gives_its_device(house: Path) -> None:
    listed = CliRunner().invoke(pems, ["plugins", "--house", str(house)], env={"COLUMNS": "200"})
    assert listed.exit_code == 0, listed.output
    [row] = [line for line in listed.output.splitlines() if "pool_pump" in line and "0.1.0" in line]
    assert "pems-pool-pump" in row
    assert "devices: pool_pump" in row


def test_it_is_planned_in_the_cheap_hours_of_its_day(house: Path) -> None:
    planned = CliRunner().invoke(pems, ["plan", "--house", str(house), "--forecast", "perfect", "--json"])
    assert planned.exit_code == 0, planned.output
    steps = json.loads(planned.stdout)["steps"]
    hours = [(s["length_h"], s["flows"]["pool_pump.power_kw"], s["forecasts"]["import_price_per_kwh"]) for s in steps]
    running = [(h, price) for h, kw, price in hours if kw > 0]
    assert sum(h * kw for h, kw, _ in hours) == pytest.approx(4.0, abs=1e-3)
    dearest_paid = max(price for _, price in running)
    resting_on_its_day = [price for h, kw, price in hours[: steps_of_first_day(hours)] if kw == 0]
    cheaper_left = [price for price in resting_on_its_day if price < dearest_paid - 1e-6]
    assert len(cheaper_left) <= 2, "only what a whole hour cannot use may be left"


def steps_of_first_day(hours: list[tuple[float, float, float]]) -> int:
    """How many steps there are until midnight; the plan begins at one."""
    total_h = 0.0
    for count, (length_h, _, _) in enumerate(hours):
        if total_h >= 24.0 - 1e-9:
            return count
        total_h += length_h
    return len(hours)


@pytest.mark.slow
def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    tests = EXAMPLE / "tests"
    done = subprocess.run(
        [*run, "-c", os.devnull, str(tests)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
