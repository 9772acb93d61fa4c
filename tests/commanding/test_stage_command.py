"""`pems stage` while no engine runs: on the store."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pems_core.cli import pems
from pems_core.clock import SystemClock
from pems_core.commanding import Store
from pems_core.commanding.foreign import ForeignControllers

HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"
[grid]
import_limit_kw = 17.0
[growatt]
ac_limit_kw = 10.0
"""


@pytest.mark.parametrize("stage", ["limited", "control"])
def test_who_sets_a_stage_has_looked_after_a_foreign_controller(tmp_path: Path, stage: str) -> None:
    state, clock = tmp_path / "state", SystemClock()
    house = tmp_path / "pems.toml"
    house.write_text(f'{HOUSE}[state]\nfolder = "{state}"\n', encoding="utf-8")
    with Store(state, clock) as store:
        foreign = ForeignControllers(store, clock)
        for device in ("inverter", "inverter", "heating", "heating"):
            foreign.reverted(device, clock.now())
        assert set(foreign.noticed) == {"inverter", "heating"}
    done = CliRunner().invoke(pems, ["stage", "--house", str(house), "inverter", stage])
    assert done.exit_code == 0, done.output
    with Store(state, clock) as store:
        assert set(ForeignControllers(store, clock).noticed) == {"heating"}


def test_an_override_is_kept_whatever_the_stage_of_its_device(tmp_path: Path) -> None:
    """What a person sets stands above the stage, and they are told so."""
    house = tmp_path / "pems.toml"
    house.write_text(f'{HOUSE}[state]\nfolder = "{tmp_path / "state"}"\n', encoding="utf-8")
    asked = ["override", "set", "--house", str(house), "inverter", "grid_export", "false"]
    done = CliRunner().invoke(pems, asked)
    assert done.exit_code == 0, done.output
    assert "inverter/grid_export is kept as False until" in done.output
    assert done.output.rstrip().endswith("it acts once `pems run` runs")
