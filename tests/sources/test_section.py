"""[sources]: who is asked, and what is told about a section that cannot be used."""

import pytest
from pems_forecasters import create_sources
from pems_forecasters.config import SourcesSection
from pems_forecasters.sources.bright_sky import BrightSky
from pems_forecasters.sources.open_meteo import OpenMeteo

from pems_core.config import Config, ConfigError, parse_config

PLACE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"
currency = "CZK"
[grid]
import_limit_kw = 17.0
"""
ALL = """
[sources]
weather = ["open_meteo", "bright_sky", "met_norway"]
prices = ["ote", "energy_charts", "smard", "entsoe"]
exchange_rate = ["cnb", "ecb"]
price_zone = "CZ"
entsoe_token = { env = "TOKEN" }
"""


def parsed(text: str) -> Config:
    return parse_config(PLACE + text, [("sources", SourcesSection)], {"TOKEN": "secret-token"})


def test_sources_have_their_places_by_the_order_in_the_file() -> None:
    given = create_sources(parsed(ALL))
    assert [(s.kind.value, s.name, s.place) for s in given] == [
        ("weather", "open_meteo", 0),
        ("weather", "bright_sky", 1),
        ("weather", "met_norway", 2),
        ("prices", "ote", 0),
        ("prices", "energy_charts", 1),
        ("prices", "smard", 2),
        ("prices", "entsoe", 3),
        ("exchange_rate", "cnb", 0),
        ("exchange_rate", "ecb", 1),
    ]


def test_without_the_section_nobody_is_asked() -> None:
    assert create_sources(parsed("")) == []


def test_addresses_and_budgets_can_be_others() -> None:
    more = """
[sources]
weather = ["open_meteo", "bright_sky"]
urls = { open_meteo = "http://localhost:1", open_meteo_ensemble = "http://localhost:2" }
calls_per_day = { bright_sky = 7 }
"""
    first, second = create_sources(parsed(more))
    assert isinstance(first, OpenMeteo)
    assert (first.url, first.ensemble_url) == ("http://localhost:1", "http://localhost:2")
    assert isinstance(second, BrightSky)
    assert second.calls_per_day == 7


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('weather = ["open_meteo", "open_meteo"]', "sources.weather[2]: found 'open_meteo' twice"),
        ('weather = ["weather_channel"]', "sources.weather[1]: found 'weather_channel'"),
        ('prices = ["entsoe"]', "sources.entsoe_token: missing; needed by entsoe"),
        ('prices = ["ote"]', "sources.price_zone: found 'DE-LU'; allowed with ote: CZ"),
        ('prices = ["smard"]\nprice_zone = "SE3"', "sources.price_zone: found 'SE3'; allowed with smard: DE-LU"),
        ('urls = { ote = "http://x" }', "sources.urls.ote: nobody asks this source; asked are: none"),
        ('prices = ["energy_charts"]\nurls = { energy_charts = "x" }', "urls.energy_charts: found 'x'; allowed: "),
        ('weather = ["bright_sky"]\ncalls_per_day = { bright_sky = 0 }', "bright_sky: found 0; allowed: 1 or more"),
        ('entsoe_token = "secret-token"', "a secret does not stand in the house file"),
    ],
    ids=["twice", "unknown", "no token", "OTE abroad", "SMARD abroad", "unasked", "no address", "no calls", "secret"],
)
def test_a_section_that_cannot_be_used_is_told(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as told:
        parsed(f"[sources]\n{text}")
    assert fault in str(told.value)
    assert "secret-token" not in str(told.value)
