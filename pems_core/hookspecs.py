"""What a plugin may add to PEMS.

Hooks run once, at start, and hand over objects; `pems_core.protocols` says what those do.
Only `cycle_finished` runs later.
"""

# mypy: disable-error-code="empty-body"

from collections.abc import Sequence

import pluggy

from .config import Config, Section
from .domain import CycleReport
from .protocols import Device, Forecaster, RuleBased, Source, Strategy, Transport

hookspec = pluggy.HookspecMarker("pems")
hookimpl = pluggy.HookimplMarker("pems")


@hookspec
def declare_config() -> tuple[str, type[Section]]:
    """Name this plugin's section of pems.toml and the model that validates it."""


@hookspec
def create_devices(config: Config) -> Sequence[Device]:
    """Return the devices to measure and control.

    :param config: every validated section; take your own with ``config[MySection]``.
    """


@hookspec
def create_forecasters(config: Config) -> Sequence[Forecaster]:
    """Return what predicts prices, production, demand or weather."""


@hookspec
def create_sources(config: Config) -> Sequence[Source]:
    """Return who is asked for weather, prices and exchange rates."""


@hookspec
def create_strategies(config: Config) -> Sequence[Strategy | RuleBased]:
    """Return the aims a household can choose between."""


@hookspec
def create_transports(config: Config) -> Sequence[Transport]:
    """Return the ways to reach devices."""


@hookspec
def cycle_finished(report: CycleReport) -> None:
    """Look at what a cycle saw, decided and did, for example to store metrics.

    Must not block, and cannot change anything.
    """
