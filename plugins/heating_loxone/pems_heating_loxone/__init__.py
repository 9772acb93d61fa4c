"""Rooms heated through Loxone relays."""

from pems_core.config import Config, Section, SiteSection
from pems_core.hookspecs import hookimpl

from .config import HeatingSection
from .rooms import HeatedRooms

DEVICE = "heating"


@hookimpl
def declare_config() -> tuple[str, type[Section]]:
    return "heating_loxone", HeatingSection


@hookimpl
def create_devices(config: Config) -> list[HeatedRooms]:
    settings = config[HeatingSection]
    return [HeatedRooms(DEVICE, settings.spec(config[SiteSection].timezone))] if settings.room else []
