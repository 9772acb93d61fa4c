"""Simple forecasts from what the house itself has measured, the sun's course and published prices."""

from pems_core.config import Config, PvSection, SiteSection, TariffSection
from pems_core.hookspecs import hookimpl
from pems_core.protocols import Forecaster

from .carbon import CarbonForecaster
from .load import LoadForecaster
from .prices import PriceForecaster
from .sun import SunForecaster
from .weather import TemperatureForecaster


@hookimpl
def create_forecasters(config: Config) -> list[Forecaster]:
    site = config[SiteSection]
    arrays = tuple(section.array() for section in config.all(PvSection))
    return [
        PriceForecaster(config[TariffSection].tariff(site.timezone)),
        LoadForecaster(site.timezone),
        SunForecaster(arrays, site.latitude, site.longitude),
        TemperatureForecaster(site.timezone),
        CarbonForecaster(),
    ]
