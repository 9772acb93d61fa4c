"""Loads that need some energy by some time."""

from pems_core.config import Config, Section, SiteSection
from pems_core.hookspecs import hookimpl

from .config import FlexibleLoadSection
from .load import FlexibleLoad


@hookimpl
def declare_config() -> tuple[str, type[Section]]:
    return "flexible_load", FlexibleLoadSection


@hookimpl
def create_devices(config: Config) -> list[FlexibleLoad]:
    timezone = config[SiteSection].timezone
    return [FlexibleLoad(load.name, load.spec(timezone)) for load in config.all(FlexibleLoadSection)]
