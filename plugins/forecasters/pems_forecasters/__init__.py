"""Forecasts from what the house itself has measured, the sun's course, weather services and published prices."""

from pems_core.config import Config, LearningSection, PvSection, Section, SiteSection, TariffSection
from pems_core.hookspecs import hookimpl
from pems_core.protocols import Forecaster, Source

from .carbon import CarbonForecaster
from .config import SourcesSection
from .learned.forecasters import LearnedLoad
from .load import LoadForecaster
from .prices import PriceForecaster
from .sun import SunForecaster
from .weather import TemperatureForecaster


@hookimpl
def declare_config() -> tuple[str, type[Section]]:
    return "sources", SourcesSection


@hookimpl
def create_sources(config: Config) -> list[Source]:
    section = config.get(SourcesSection)
    return [] if section is None else section.sources(config[SiteSection])


@hookimpl
def create_forecasters(config: Config) -> list[Forecaster]:
    site = config[SiteSection]
    learning = config.get(LearningSection)
    arrays = tuple(section.array() for section in config.all(PvSection))
    return [
        PriceForecaster(config[TariffSection].tariff(site.timezone)),
        LearnedLoad(site.timezone, learning.country if learning else ""),
        LoadForecaster(site.timezone),
        SunForecaster(arrays, site.latitude, site.longitude),
        TemperatureForecaster(site.timezone),
        CarbonForecaster(),
    ]
