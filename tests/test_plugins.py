"""Plugins are found, checked and listed; a broken one stops the start but not the list."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pluggy
import pytest
from click.testing import CliRunner, Result

from pems_core.cli import pems
from pems_core.config import Config, ConfigError, Section, StagesSection, parse_config
from pems_core.domain import (
    Command,
    Control,
    ControlKind,
    CycleReport,
    Decision,
    Executed,
    FlexibleLoadSpec,
    Forecasts,
    Plan,
    Readings,
    SiteState,
    Step,
    Value,
)
from pems_core.hookspecs import hookimpl
from pems_core.planning.model import DispatchModel
from pems_core.planning.planner import Planner
from pems_core.plugins import (
    PluginError,
    create_devices,
    declared_sections,
    find_plugins,
    load_plugins,
    stage_faults,
    tell_finished,
)
from pems_core.protocols import Device

from . import houses

SHIPPED = {"flexible_load", "forecasters", "growatt", "heating_loxone", "strategies"}
SMALL_HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"

[grid]
import_limit_kw = 17.0
"""


class SaunaSection(Section):
    power_kw: float = 6.0


class Sauna:
    """A device of the smallest kind."""

    balances = False

    def __init__(self, name: str = "sauna") -> None:
        self.name = name

    @property
    def equipment(self) -> FlexibleLoadSpec:
        return FlexibleLoadSpec(0.0, 6.0)

    def controls(self) -> Sequence[Control]:
        return [Control("power_kw", ControlKind.NUMBER, "kW", 0.0, 6.0)]

    def state(self, readings: Readings, before: object | None = None) -> object:
        return None

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        model.add_sink(f"{self.name}.power_kw", lambda _: 0.0)

    def decisions(self, plan: Plan, state: SiteState) -> Sequence[Decision]:
        return []

    def settings(self, plan: Plan, t: int) -> Mapping[str, Value]:
        return {}

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        return []

    def release(self) -> Sequence[Command]:
        return []

    def execute(self, settings: Mapping[str, Value], state: object, step: Step) -> Executed:
        return Executed({}, state)


class SaunaPlugin:
    """A plugin with a section and a device, as an author would write it."""

    def __init__(self, section: str = "sauna", *devices: str) -> None:
        self.section = section
        self.devices = devices or ("sauna",)

    @hookimpl
    def declare_config(self) -> tuple[str, type[Section]]:
        return self.section, SaunaSection

    @hookimpl
    def create_devices(self, config: Config) -> list[Device]:
        return [Sauna(name) for name in self.devices]


class UnknownHook:
    @hookimpl
    def create_saunas(self, config: Config) -> list[Device]:
        return []


class UnknownArgument:
    @hookimpl
    def create_devices(self, configuration: Config) -> list[Device]:
        return []


def install(folder: Path, name: str, code: str) -> None:
    """Lay down a distribution with one module and its entry point, as an installer does."""
    (folder / f"pems_{name}.py").write_text(code, encoding="utf-8")
    info = folder / f"pems_{name}-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pems-{name}\nVersion: 1.2.3\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[pems]\n{name} = pems_{name}\n", encoding="utf-8")


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(pems, arguments)


def small_house(plugins: pluggy.PluginManager) -> Config:
    return parse_config(SMALL_HOUSE, declared_sections(plugins))


class TestFinding:
    def test_the_shipped_plugins_are_found_by_their_entry_points(self) -> None:
        found = {plugin.name: plugin for plugin in find_plugins().found}
        assert found.keys() >= SHIPPED
        growatt = found["growatt"]
        assert (growatt.distribution, growatt.section, growatt.fault) == ("pems-growatt", "growatt", "")
        assert growatt.hooks == ("create_devices", "create_transports", "declare_config")

    def test_a_plugin_of_ones_own_stands_beside_them(self) -> None:
        plugins = load_plugins({"sauna": SaunaPlugin()})
        assert ("sauna", SaunaSection) in declared_sections(plugins)
        assert "sauna" in [device.name for device in create_devices(plugins, small_house(plugins))]

    def test_the_order_of_registration_does_not_matter(self) -> None:
        for order in (["a", "b"], ["b", "a"]):
            plugins = load_plugins()
            for name in order:
                plugins.register(SaunaPlugin(name, f"sauna_{name}"), name)
            names = [device.name for device in create_devices(plugins, small_house(plugins))]
            assert [name for name in names if name.startswith("sauna_")] == ["sauna_a", "sauna_b"]


class TestFaultsStopTheStart:
    def test_an_unknown_hook(self) -> None:
        with pytest.raises(PluginError, match=r"odd: unknown hook 'create_saunas'.*hooks: create_devices, "):
            load_plugins({"odd": UnknownHook()})

    def test_an_unknown_argument(self) -> None:
        with pytest.raises(PluginError, match=r"odd: .*create_devices.*'configuration'"):
            load_plugins({"odd": UnknownArgument()})

    def test_a_plugin_without_hooks(self) -> None:
        with pytest.raises(PluginError, match="odd: implements no hook; mark its functions with @hookimpl"):
            load_plugins({"odd": SimpleNamespace()})

    def test_two_plugins_with_one_section_are_both_named(self) -> None:
        with pytest.raises(PluginError) as caught:
            load_plugins({"steam": SaunaPlugin("sauna"), "smoke": SaunaPlugin("sauna")})
        assert caught.value.faults == (
            "smoke: [sauna] is declared by smoke and steam; one is allowed",
            "steam: [sauna] is declared by smoke and steam; one is allowed",
        )

    def test_a_section_of_the_core_is_taken(self) -> None:
        with pytest.raises(PluginError, match=r"greedy: \[solver\] is declared by the core and greedy; one is allowed"):
            load_plugins({"greedy": SaunaPlugin("solver")})

    def test_two_devices_with_one_name_are_told_with_their_plugins(self) -> None:
        plugins = load_plugins({"steam": SaunaPlugin("a"), "smoke": SaunaPlugin("b")})
        with pytest.raises(PluginError, match="two devices are called 'sauna', of smoke and steam"):
            create_devices(plugins, small_house(plugins))

    def test_all_are_told_at_once(self) -> None:
        with pytest.raises(PluginError) as caught:
            load_plugins({"odd": UnknownHook(), "odder": UnknownArgument()})
        assert [fault.partition(":")[0] for fault in caught.value.faults] == ["odd", "odder"]


class TestStages:
    def test_of_a_device_that_is_not_there_are_told(self) -> None:
        stages = StagesSection.model_validate({"inverter": "control", "heting": "control"})
        assert stage_faults(Config.of(stages), ["inverter", "heating"]) == [
            "stages.heting: no device has this name; devices: heating, inverter; did you mean 'heating'?"
        ]


class TestTheCommand:
    def test_lists_what_is_installed(self) -> None:
        result = run("plugins")
        assert result.exit_code == 0, result.output
        assert all(name in result.output for name in SHIPPED)

    def test_tells_what_each_plugin_gives_to_a_house(self, example_house: Path) -> None:
        result = run("plugins", "--house", str(example_house))
        assert result.exit_code == 0, result.output
        assert "devices: inverter" in result.output
        assert "devices: heating" in result.output

    def test_a_plugin_that_cannot_be_imported_is_told_and_the_others_listed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install(tmp_path, "broken", "import a_library_that_nobody_has\n")
        monkeypatch.syspath_prepend(tmp_path)
        result = run("plugins")
        assert result.exit_code == 2
        assert "broken: cannot be imported: ModuleNotFoundError: No module named 'a_library_that" in result.stderr
        assert "growatt" in result.stdout
        assert "1.2.3" in result.stdout

    def test_a_plugin_that_cannot_be_imported_stops_the_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install(tmp_path, "broken", "def (:\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(PluginError, match="broken: cannot be imported: SyntaxError"):
            load_plugins()

    def test_checks_a_house(self, example_house: Path) -> None:
        result = run("check", "--house", str(example_house))
        assert result.exit_code == 0, result.output
        assert "pems.example.toml: fine" in result.output

    def test_tells_each_fault_of_a_house_in_a_line(self, tmp_path: Path) -> None:
        house = tmp_path / "pems.toml"
        house.write_text("[grid]\nimport_limit_kw = 0\n[stages]\nsauna = 'control'\n", encoding="utf-8")
        result = run("check", "--house", str(house))
        assert result.exit_code == 2
        assert result.stderr.splitlines() == [
            "site: missing; a house file has a [site] section, see pems.example.toml",
            "grid.import_limit_kw: found 0; allowed: greater than 0",
        ]

    def test_shows_a_traceback_only_when_asked(self, tmp_path: Path) -> None:
        arguments = ("check", "--house", str(tmp_path / "gone.toml"))
        assert isinstance(run(*arguments).exception, SystemExit)
        assert isinstance(run("--debug", *arguments).exception, ConfigError)


class Onlooker:
    """Remembers the cycles that it was told of."""

    def __init__(self) -> None:
        self.seen: list[CycleReport] = []

    @hookimpl
    def cycle_finished(self, report: CycleReport) -> None:
        self.seen.append(report)


class Stumbling:
    @hookimpl
    def cycle_finished(self, report: CycleReport) -> None:
        raise OSError("the disk is full")


def test_an_onlooker_that_fails_keeps_no_other_from_hearing() -> None:
    before, after = Onlooker(), Onlooker()
    small = houses.small_house({houses.inverter(): houses.battery_at(0.5)})
    plan = Planner(small.house, small.options, guarded=False).plan(small.state, small.forecasts)
    report = CycleReport(small.state, small.forecasts, plan, ())
    plugins = load_plugins(extra={"a": before, "b": Stumbling(), "c": after})

    assert tell_finished(plugins, report) == ["b: OSError: the disk is full"]

    assert before.seen == after.seen == [report]
