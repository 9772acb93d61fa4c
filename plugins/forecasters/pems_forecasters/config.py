"""The section of the house file that says who is asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from pems_core.config import Fault, Secret, Section, SiteSection
from pems_core.domain import PvArray
from pems_core.protocols import Source

from .sources.banks import CzechNationalBank, EuropeanCentralBank
from .sources.bright_sky import BrightSky
from .sources.entsoe import Entsoe
from .sources.exchanges import EnergyCharts, Ote, Smard
from .sources.forecast_solar import ForecastSolar
from .sources.met_norway import MetNorway
from .sources.open_meteo import OpenMeteo

MARKET_TIMEZONE = "Europe/Prague"
"""The coupled European day-ahead market has one day for all its zones, that of central Europe."""
SMARD_FILTERS = {
    "DE-LU": "4169",
    "AT": "4170",
    "FR": "254",
    "NL": "256",
    "PL": "257",
    "CH": "259",
    "CZ": "261",
    "HU": "262",
}
"""https://github.com/bundesAPI/smard-api"""

Weather = Literal["open_meteo", "bright_sky", "met_norway"]
Exchange = Literal["energy_charts", "smard", "ote", "entsoe"]
Bank = Literal["cnb", "ecb"]
Supplier = Literal["forecast_solar"]
AnySource = (
    OpenMeteo
    | BrightSky
    | MetNorway
    | EnergyCharts
    | Smard
    | Ote
    | Entsoe
    | CzechNationalBank
    | EuropeanCentralBank
    | ForecastSolar
)
ENSEMBLE = "open_meteo_ensemble"
"""Key of the ensemble's address; it is a server of its own."""


class SourcesSection(Section):
    """[sources]: who is asked for weather, prices and exchange rates; the next in a list when the one before fails."""

    weather: tuple[Weather, ...] = Field(
        (), description="open_meteo, bright_sky, met_norway; none: no service is asked"
    )
    prices: tuple[Exchange, ...] = Field(
        (), description="energy_charts, smard, ote, entsoe; none: prices come from prices.csv or MQTT"
    )
    exchange_rate: tuple[Bank, ...] = Field((), description="cnb, ecb; none: eur_rate of [tariff] holds")
    pv: tuple[Supplier, ...] = Field((), description="forecast_solar; none: PV is forecast from the weather alone")
    price_zone: str = Field("DE-LU", min_length=1, description='bidding zone of the prices, such as "CZ"')
    ensemble_model: str = Field("icon_seamless", description="of open_meteo, for quantiles; empty: none")
    entsoe_token: Secret | None = Field(None, description="token of entsoe")
    urls: dict[str, str] = Field({}, description="address by source, in place of its own")
    calls_per_day: dict[str, int] = Field({}, description="requests that a source may be sent in 24 h, by source")

    def faults(self) -> Iterable[Fault]:
        yield from self._twice()
        if "entsoe" in self.prices and self.entsoe_token is None:
            yield Fault(("entsoe_token",), "missing; needed by entsoe, which is asked for prices")
        zones = {"smard": tuple(SMARD_FILTERS), "ote": ("CZ",)}
        for name, allowed in zones.items():
            if name in self.prices and self.price_zone not in allowed:
                text = f"found {self.price_zone!r}; allowed with {name}: {', '.join(allowed)}"
                yield Fault(("price_zone",), text)
        yield from self._unasked("urls", {*self._asked, ENSEMBLE})
        yield from self._unasked("calls_per_day", self._asked)
        for name, url in self.urls.items():
            if not url.startswith(("http://", "https://")):
                yield Fault(("urls", name), f'found {url!r}; allowed: "http://..." or "https://..."')
        for name, calls in self.calls_per_day.items():
            if calls < 1:
                yield Fault(("calls_per_day", name), f"found {calls}; allowed: 1 or more")

    def _twice(self) -> Iterable[Fault]:
        for key, chain in self._chains.items():
            for index, name in enumerate(chain):
                if name in chain[:index]:
                    yield Fault((key, index), f"found {name!r} twice; allowed: once")

    def _unasked(self, key: str, allowed: set[str]) -> Iterable[Fault]:
        named = self.urls if key == "urls" else self.calls_per_day
        for name in named:
            if name not in allowed:
                text = f"nobody asks this source; asked are: {', '.join(sorted(self._asked)) or 'none'}"
                yield Fault((key, name), text)

    @property
    def _chains(self) -> Mapping[str, Sequence[str]]:
        return {"weather": self.weather, "prices": self.prices, "exchange_rate": self.exchange_rate, "pv": self.pv}

    @property
    def _asked(self) -> set[str]:
        return {name for chain in self._chains.values() for name in chain}

    def sources(self, site: SiteSection, arrays: Sequence[PvArray] = ()) -> list[Source]:
        """The sources, each with its place in its chain."""
        return [
            replace(self._source(name, site, arrays), place=place, **self._own(name))
            for chain in self._chains.values()
            for place, name in enumerate(chain)
        ]

    def _own(self, name: str) -> dict[str, Any]:
        """What the house file says of one source in place of its own."""
        own: dict[str, Any] = {}
        if name in self.urls:
            own["url"] = self.urls[name]
        if name == "open_meteo" and ENSEMBLE in self.urls:
            own["ensemble_url"] = self.urls[ENSEMBLE]
        if name in self.calls_per_day:
            own["calls_per_day"] = self.calls_per_day[name]
        return own

    def _source(self, name: str, site: SiteSection, arrays: Sequence[PvArray]) -> AnySource:
        latitude, longitude, zone = site.latitude, site.longitude, self.price_zone
        token = self.entsoe_token.get_secret_value() if self.entsoe_token else ""
        by_name: dict[str, AnySource] = {
            "open_meteo": OpenMeteo(latitude, longitude, ensemble_model=self.ensemble_model),
            "bright_sky": BrightSky(latitude, longitude),
            "met_norway": MetNorway(latitude, longitude),
            "energy_charts": EnergyCharts(zone, MARKET_TIMEZONE),
            "smard": Smard(SMARD_FILTERS.get(zone, "")),
            "ote": Ote(),
            "entsoe": Entsoe(zone.replace("-", "_"), token, MARKET_TIMEZONE),
            "cnb": CzechNationalBank(),
            "ecb": EuropeanCentralBank(site.currency),
            "forecast_solar": ForecastSolar(latitude, longitude, tuple(arrays)),
        }
        return by_name[name]
