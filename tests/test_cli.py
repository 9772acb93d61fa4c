"""The `pems` command as a whole: what it lists, and that people who are in a hurry are not kept waiting."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import pems_core.commands
from pems_core.cli import COMMANDS, OnDemand, pems
from pems_core.runtime.state_folder import StateFolder
from pems_core.store_lock import Lock

SLOW = ("highspy", "matplotlib", "pandas", "pyomo", "pvlib", "scipy")
"""Each takes a good part of a second to load, and much longer on the small computer of a house."""


def test_help_lists_every_command_without_loading_any() -> None:
    listed = "from pems_core.cli import pems; pems(['--help'], standalone_mode=False)"
    said = _python(f"{listed}; import sys; print('loaded', [m for m in sys.modules if 'pems_core.commands.' in m])")
    assert "loaded []" in said
    for name, line in COMMANDS.items():
        assert f"{name} " in said
        assert line[:30] in said


@pytest.mark.parametrize("name", COMMANDS)
def test_what_help_says_of_a_command_begins_as_the_command_does(name: str) -> None:
    own = OnDemand()[name].get_short_help_str(200)
    assert own.split()[0] == COMMANDS[name].split()[0]
    assert len(COMMANDS[name]) < 79


def test_every_module_with_a_command_is_listed() -> None:
    folder = Path(pems_core.commands.__file__).parent
    sources = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    named = {
        name
        for name, text in sources.items()
        if re.search(rf"^@click\.(command|group).*?^def {name}\(", text, re.MULTILINE | re.DOTALL)
    }
    assert named == set(COMMANDS)


@pytest.mark.parametrize(
    "words", [["stop"], ["stage", "inverter", "control"], ["release"], ["override", "set", "inverter", "mode", "hold"]]
)
def test_asking_a_running_engine_loads_nothing_slow(tmp_path: Path, words: list[str]) -> None:
    house = _house_whose_engine_does_not_answer(tmp_path)
    words = [*words, "--house", str(house)]
    lock = Lock(StateFolder(tmp_path / "state").path)
    # What is done without the engine may take its time; here it must not even be begun.
    run = f"""
import sys
sys.modules["pems_core.commands.by_hand"] = None
from pems_core.cli import pems
try:
    pems({words!r}, standalone_mode=False)
except (ImportError, SystemExit):
    pass
print("loaded", [name for name in {SLOW!r} if name in sys.modules])
"""
    said = _python(run)
    lock.release()
    assert "loaded []" in said


def test_a_house_file_that_was_broken_meanwhile_does_not_keep_a_stop_from_the_engine(tmp_path: Path) -> None:
    house = _house_whose_engine_does_not_answer(tmp_path)
    house.write_text("[site\n", encoding="utf-8")
    refused = CliRunner().invoke(pems, ["stop", "--reset", "--house", str(house)])
    assert refused.exit_code == 2
    assert "not TOML" in refused.output
    lock = Lock(StateFolder(tmp_path / "state").path)
    asked = CliRunner().invoke(pems, ["stop", "--reset", "--house", str(house)])
    lock.release()
    assert "the engine does not answer" in asked.output


def _house_whose_engine_does_not_answer(folder: Path) -> Path:
    StateFolder(folder / "state").make()
    house = folder / "pems.toml"
    house.write_text("[site]\nlatitude = 'the rest of the file does not matter'\n", encoding="utf-8")
    return house


def _python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_section_that_only_some_commands_need_is_asked_for_by_name(tmp_path: Path) -> None:
    house = tmp_path / "pems.toml"
    house.write_text("[site]\nlatitude = 49.2\nlongitude = 16.6\n[grid]\nimport_limit_kw = 17.0\n", encoding="utf-8")

    done = CliRunner().invoke(pems, ["nodered", "--house", str(house)])

    assert done.exit_code == 2
    assert f"mqtt: missing in {house}; this needs a [mqtt] section" in done.output


def test_a_command_starts_without_what_it_does_not_need() -> None:
    """Statistics, sun, web and trees are half of the time in which a command would start, and come along unseen."""
    code = "import sys; import pems_core.commands.explain; from pems_core.plugins import load_plugins; load_plugins()"
    slow = ["scipy.stats", "scipy.optimize", "pvlib", "aiohttp", "lightgbm", "matplotlib"]
    asked = f"{code}; print(*[name for name in {slow} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)

    assert done.stdout.split() == []
