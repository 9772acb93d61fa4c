"""Rooms heated through Loxone relays."""

from pems_core.config import Config, Section, SiteSection
from pems_core.hookspecs import hookimpl

from .config import HeatingSection
from .conversation import LoxoneTransport
from .encoding import MqttWords, UdpWords
from .http import LoxoneHttp
from .mqtt import LoxoneMqtt
from .rooms import HeatedRooms
from .udp import LoxoneUdp

DEVICE = "heating"


@hookimpl
def declare_config() -> tuple[str, type[Section]]:
    return "heating_loxone", HeatingSection


@hookimpl
def create_devices(config: Config) -> list[HeatedRooms]:
    settings, timezone = config[HeatingSection], config[SiteSection].timezone
    return [HeatedRooms(DEVICE, settings.spec(timezone), settings.words(timezone))] if settings.room else []


@hookimpl
def create_transports(config: Config) -> list[LoxoneTransport]:
    settings, site = config[HeatingSection], config[SiteSection]
    if not settings.room:
        return []
    words = settings.words(site.timezone)
    if isinstance(words, MqttWords):
        return [LoxoneMqtt(DEVICE, settings, words)]
    if isinstance(words, UdpWords):
        return [LoxoneUdp(DEVICE, settings, words, site.zone)]
    return [LoxoneHttp(DEVICE, settings, words)]
