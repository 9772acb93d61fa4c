"""Finds the plugins and checks them.

A plugin is a module with hook implementations that a distribution names in its entry point group `pems`.
Nothing depends on the order of plugins: what they give is put in order of the plugins' names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, TypeVar

import pluggy

from . import hookspecs
from .config import CORE_SECTIONS, Config, Section, StagesSection, did_you_mean
from .domain import ConfigError, CycleReport
from .protocols import Device, Forecaster, RuleBased, Source, Strategy, Transport

GROUP = "pems"
BROKEN_MODULE = (ImportError, SyntaxError, AttributeError, NameError, TypeError, ValueError, OSError)
"""What importing a module that is not fit to run raises."""


class PluginError(ConfigError):
    """A plugin cannot be used; one line for each fault, with the plugin's name."""


@dataclass(frozen=True, slots=True)
class Found:
    """One installed plugin, whether it can be used or not."""

    name: str
    distribution: str = ""
    version: str = ""
    hooks: tuple[str, ...] = ()
    """The hooks it implements, in alphabetical order."""
    section: str = ""
    """Its section of pems.toml, if it has one."""
    fault: str = ""
    """Why it cannot be used."""


@dataclass(frozen=True)
class Discovery:
    """Every installed plugin; those without a fault are registered."""

    manager: pluggy.PluginManager
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """Names of what one plugin gives to a house."""

    devices: tuple[str, ...] = ()
    forecasters: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()


def load_plugins(extra: Mapping[str, object] | None = None) -> pluggy.PluginManager:
    """Load every installed plugin.

    :param extra: further plugins by name, modules or objects with hook implementations.
    :raises PluginError: with one line for each plugin that cannot be imported, has an unknown hook or argument,
        or declares a section that another one has.
    """
    discovery = find_plugins(extra)
    faults = [f"{plugin.name}: {plugin.fault}" for plugin in discovery.found if plugin.fault]
    if faults:
        raise PluginError(faults)
    return discovery.manager


def find_plugins(extra: Mapping[str, object] | None = None) -> Discovery:
    """Load the plugins that can be used, and tell what is wrong with the others."""
    manager = _manager()
    found = [_register_entry_point(manager, entry) for entry in _installed()]
    found += [_register(manager, Found(name), plugin) for name, plugin in sorted((extra or {}).items())]
    return Discovery(manager, tuple(_with_sections(manager, found)))


def declared_sections(manager: pluggy.PluginManager) -> list[tuple[str, type[Section]]]:
    """Name and model of each plugin's section of pems.toml."""
    return [section for plugin in _names(manager) for section in _declared_by(manager, plugin)]


def create_devices(manager: pluggy.PluginManager, config: Config) -> tuple[Device, ...]:
    """The devices of every plugin.

    :raises PluginError: if two devices have one name.
    """
    return _gather(manager, "devices", lambda plugin: _devices_of(manager, plugin, config))


def create_forecasters(manager: pluggy.PluginManager, config: Config) -> tuple[Forecaster, ...]:
    """The forecasters of every plugin.

    :raises PluginError: if two forecasters have one name.
    """
    return _gather(manager, "forecasters", lambda plugin: _forecasters_of(manager, plugin, config))


def create_sources(manager: pluggy.PluginManager, config: Config) -> tuple[Source, ...]:
    """The sources of every plugin, those that are asked first in front.

    :raises PluginError: if two sources have one name.
    """
    sources = _gather(manager, "sources", lambda plugin: _sources_of(manager, plugin, config))
    return tuple(sorted(sources, key=lambda source: (source.place, source.name)))


def create_strategies(manager: pluggy.PluginManager, config: Config) -> tuple[Strategy | RuleBased, ...]:
    """The strategies of every plugin, those with and those without a solver.

    :raises PluginError: if two strategies have one name.
    """
    return _gather(manager, "strategies", lambda plugin: _strategies_of(manager, plugin, config))


def create_transports(manager: pluggy.PluginManager, config: Config) -> tuple[Transport, ...]:
    """The transports of every plugin.

    :raises PluginError: if two transports have one name, or two carry the commands of one device.
    """
    transports = _gather(manager, "transports", lambda plugin: _transports_of(manager, plugin, config))
    carriers: dict[str, list[str]] = {}
    for transport in transports:
        for device in transport.devices:
            carriers.setdefault(device, []).append(transport.name)
    faults = [
        f"{device} is commanded over {' and '.join(names)}; one owner is allowed"
        for device, names in carriers.items()
        if len(names) > 1
    ]
    if faults:
        raise PluginError(faults)
    return transports


def tell_finished(manager: pluggy.PluginManager, report: CycleReport) -> list[str]:
    """Tell every plugin what a cycle did. One line for each that failed; the others still hear."""
    faults = []
    for plugin in _names(manager):
        try:
            _only(manager, "cycle_finished", plugin)(report=report)
        except Exception as error:  # noqa: BLE001 - who only looks cannot stop the house
            faults.append(f"{plugin}: {type(error).__name__}: {_one_line(error)}")
    return faults


def given(manager: pluggy.PluginManager, config: Config) -> dict[str, Given]:
    """What each plugin gives to a house, by the plugin's name."""
    return {
        plugin: Given(
            devices=_named(_devices_of(manager, plugin, config)),
            forecasters=_named(_forecasters_of(manager, plugin, config)),
            sources=_named(_sources_of(manager, plugin, config)),
            strategies=_named(_strategies_of(manager, plugin, config)),
            transports=_named(_transports_of(manager, plugin, config)),
        )
        for plugin in _names(manager)
    }


def stage_faults(config: Config, devices: Iterable[str]) -> list[str]:
    """One line for each device that [stages] names and the house has not.

    :param devices: the names of the house's devices.
    """
    known = sorted(devices)
    there_are = f"no device has this name; devices: {', '.join(known) or 'none'}"
    return [
        f"stages.{device}: {there_are}{did_you_mean(device, known)}"
        for device in config[StagesSection].by_device
        if device not in known
    ]


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    return manager


def _installed() -> list[EntryPoint]:
    # A folder that is on the path twice, as with an editable install, shows its entry points twice.
    return sorted({(entry.name, entry.value): entry for entry in entry_points(group=GROUP)}.values())


def _register_entry_point(manager: pluggy.PluginManager, entry: EntryPoint) -> Found:
    dist = entry.dist
    plugin = Found(entry.name, dist.name if dist else "", dist.version if dist else "")
    try:
        module = entry.load()
    except BROKEN_MODULE as error:
        return replace(plugin, fault=f"cannot be imported: {type(error).__name__}: {_one_line(error)}")
    return _register(manager, plugin, module)


def _register(manager: pluggy.PluginManager, plugin: Found, module: object) -> Found:
    """Register a plugin if it is sound. It is tried apart first, since pluggy keeps half of a refused plugin."""
    trial = _manager()
    try:
        trial.register(module, plugin.name)
        trial.check_pending()
    except pluggy.PluginValidationError as error:
        known = ", ".join(sorted(vars(manager.hook)))
        return replace(plugin, fault=f"{_one_line(error)}; hooks: {known}")
    hooks = tuple(sorted(caller.name for caller in trial.get_hookcallers(module) or ()))
    if not hooks:
        return replace(plugin, fault="implements no hook; mark its functions with @hookimpl")
    if manager.has_plugin(plugin.name):
        return replace(plugin, fault=f"another plugin is called {plugin.name!r}, too; each has a name of its own")
    manager.register(module, plugin.name)
    return replace(plugin, hooks=hooks)


def _with_sections(manager: pluggy.PluginManager, found: Sequence[Found]) -> Iterable[Found]:
    """Add each plugin's section; one that somebody else has is a fault of both."""
    sections = {name: [section for section, _ in _declared_by(manager, name)] for name in _names(manager)}
    owners: dict[str, list[str]] = {section: ["the core"] for section, _ in CORE_SECTIONS}
    for name, declared in sections.items():
        for section in declared:
            owners.setdefault(section, []).append(name)
    for plugin in found:
        if plugin.fault:
            yield plugin
            continue
        mine = sections[plugin.name]
        clashes = [
            f"[{s}] is declared by {' and '.join(owners[s])}; one is allowed" for s in mine if len(owners[s]) > 1
        ]
        yield replace(plugin, section=", ".join(mine), fault="; ".join(clashes))


def _names(manager: pluggy.PluginManager) -> list[str]:
    return sorted(name for name, _ in manager.list_name_plugin())


def _only(manager: pluggy.PluginManager, hook: str, plugin: str) -> pluggy.HookCaller:
    """The hook as this one plugin implements it."""
    others = [other for name, other in manager.list_name_plugin() if name != plugin and other is not None]
    return manager.subset_hook_caller(hook, others)


def _declared_by(manager: pluggy.PluginManager, plugin: str) -> list[tuple[str, type[Section]]]:
    return list(_only(manager, "declare_config", plugin)())


def _devices_of(manager: pluggy.PluginManager, plugin: str, config: Config) -> list[Device]:
    return [device for devices in _only(manager, "create_devices", plugin)(config=config) for device in devices]


def _forecasters_of(manager: pluggy.PluginManager, plugin: str, config: Config) -> list[Forecaster]:
    return [f for forecasters in _only(manager, "create_forecasters", plugin)(config=config) for f in forecasters]


def _sources_of(manager: pluggy.PluginManager, plugin: str, config: Config) -> list[Source]:
    return [s for sources in _only(manager, "create_sources", plugin)(config=config) for s in sources]


def _strategies_of(manager: pluggy.PluginManager, plugin: str, config: Config) -> list[Strategy | RuleBased]:
    return [s for strategies in _only(manager, "create_strategies", plugin)(config=config) for s in strategies]


def _transports_of(manager: pluggy.PluginManager, plugin: str, config: Config) -> list[Transport]:
    return [t for transports in _only(manager, "create_transports", plugin)(config=config) for t in transports]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def _named(things: Iterable[_Named]) -> tuple[str, ...]:
    return tuple(thing.name for thing in things)


def _gather(manager: pluggy.PluginManager, kind: str, given_by: Callable[[str], list[N]]) -> tuple[N, ...]:
    """What all plugins give of one kind; a name that is there twice is an error with the names of its givers."""
    things = [(plugin, thing) for plugin in _names(manager) for thing in given_by(plugin)]
    givers: dict[str, list[str]] = {}
    for plugin, thing in things:
        givers.setdefault(thing.name, []).append(plugin)
    faults = [
        f"two {kind} are called {name!r}, of {' and '.join(plugins)}; each has a name of its own"
        for name, plugins in givers.items()
        if len(plugins) > 1
    ]
    if faults:
        raise PluginError(faults)
    return tuple(thing for _, thing in things)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
