"""Forecasts from what the house itself has measured, the sun's course, weather services and published prices."""

from pems_core.config import Config, LearningSection, PvSection, Section, SiteSection, TariffSection
from pems_core.hookspecs import hookimpl
from pems_core.protocols import Forecaster, Source

from .carbon import CarbonForecaster
from .config import MARKET_TIMEZONE, SourcesSection
from .learned.forecasters import LearnedLoad
from .learned.given_forecaster import SuppliedPv
from .learned.price_forecaster import LearnedPrice
from .learned.pv import Roof
from .learned.pv_forecaster import LearnedPv
from .load import LoadForecaster
from .prices import PriceForecaster
from .sun import SunForecaster
from .supplied import AsSupplied
from .weather import TemperatureForecaster


@hookimpl
def declare_config() -> tuple[str, type[Section]]:
    return "sources", SourcesSection


@hookimpl
def create_sources(config: Config) -> list[Source]:
    section = config.get(SourcesSection)
    arrays = [pv.array() for pv in config.all(PvSection)]
    return [] if section is None else section.sources(config[SiteSection], arrays)


@hookimpl
def create_forecasters(config: Config) -> list[Forecaster]:
    site = config[SiteSection]
    learning = config.get(LearningSection)
    country = learning.country if learning else ""
    tariff = config[TariffSection].tariff(site.timezone)
    arrays = tuple(section.array() for section in config.all(PvSection))
    return [
        LearnedPrice(tariff, MARKET_TIMEZONE, country),
        PriceForecaster(tariff),
        LearnedLoad(site.timezone, country),
        LoadForecaster(site.timezone),
        SuppliedPv(site.timezone),
        LearnedPv(Roof(arrays, site.latitude, site.longitude, site.timezone)),
        AsSupplied(),
        SunForecaster(arrays, site.latitude, site.longitude),
        TemperatureForecaster(site.timezone),
        CarbonForecaster(),
    ]
