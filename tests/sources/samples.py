"""Answers as the providers document them, made by hand for a day of choice."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

PRAGUE = ZoneInfo("Europe/Prague")
QUARTER = timedelta(minutes=15)


def starts_of(day: date, step: timedelta, days: int = 1) -> list[datetime]:
    at = datetime.combine(day, time(), PRAGUE).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=days), time(), PRAGUE).astimezone(UTC)
    starts = []
    while at < end:
        starts.append(at)
        at += step
    return starts


def price_at(start: datetime) -> float:
    """A price that tells its own quarter hour [EUR/MWh]: hours and minutes of UTC."""
    return round(start.hour + start.minute / 100 - 5, 2)


def energy_charts(day: date, step: timedelta = QUARTER, days: int = 2) -> dict[str, Any]:
    """https://api.energy-charts.info/#/prices/day_ahead_price_price_get"""
    starts = starts_of(day, step, days)
    return {
        "license_info": "CC BY 4.0 (creativecommons.org/licenses/by/4.0) from Bundesnetzagentur | SMARD.de",
        "unix_seconds": [int(start.timestamp()) for start in starts],
        "price": [price_at(start) for start in starts],
        "unit": "EUR / MWh",
        "deprecated": False,
    }


def smard_index(stamps: list[int]) -> dict[str, Any]:
    return {"timestamps": stamps}


def smard_week(monday: date, known_until: datetime) -> dict[str, Any]:
    """A week of quarter hours; null where nothing is published yet."""
    rows = [
        [int(start.timestamp() * 1000), price_at(start) if start < known_until else None]
        for start in starts_of(monday, QUARTER, 7)
    ]
    return {"meta_data": {"version": 1, "created": 1743000000000}, "series": rows}


def ote_day(day: date, step: timedelta = QUARTER) -> dict[str, Any]:
    """The chart of one day: volumes, and prices whose title names their length since there are quarter hours."""
    starts = starts_of(day, step)
    length = "15min " if step == QUARTER else ""
    volume = [{"x": str(n), "y": 1234.5} for n, _ in enumerate(starts, 1)]
    title = f"{length}Price (EUR/MWh)"
    price = [{"x": str(n), "y": price_at(start)} for n, start in enumerate(starts, 1)]
    return {
        "axis": {"x": {"decimals": 0, "legend": "Period"}, "y": {"decimals": 2, "legend": "Price (EUR/MWh)"}},
        "data": {
            "dataLine": [
                {"bold": False, "colour": "FF6600", "title": "Volume (MWh)", "tooltip": "Volume", "point": volume},
                {
                    "bold": True,
                    "colour": "A04000",
                    "title": title,
                    "tooltip": "Price",
                    "point": price,
                },
            ]
        },
        "graph": {"title": f"Results {day:%d.%m.%Y}", "zoom": True},
    }


def ote_unpublished() -> dict[str, Any]:
    return {"axis": {}, "data": {"dataLine": []}, "graph": {}}


def entsoe_xml(begin: datetime, end: datetime, prices: list[float], resolution: str = "PT15M") -> str:
    """A44 of the web API; of equal neighbours only the first point is sent (curve type A03)."""
    points, before = [], None
    for position, price in enumerate(prices, 1):
        if price != before:
            points.append(f"<Point><position>{position}</position><price.amount>{price}</price.amount></Point>")
        before = price
    return f"""<?xml version="1.0" encoding="utf-8"?>
<Publication_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3">
<mRID>1</mRID><type>A44</type>
<period.timeInterval><start>{begin:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}</end></period.timeInterval>
<TimeSeries><mRID>1</mRID><auction.type>A01</auction.type><businessType>A62</businessType>
<in_Domain.mRID codingScheme="A01">10YCZ-CEPS-----N</in_Domain.mRID>
<out_Domain.mRID codingScheme="A01">10YCZ-CEPS-----N</out_Domain.mRID>
<contract_MarketAgreement.type>A01</contract_MarketAgreement.type>
<classificationSequence_AttributeInstanceComponent.position>1</classificationSequence_AttributeInstanceComponent.position>
<currency_Unit.name>EUR</currency_Unit.name><price_Measure_Unit.name>MWH</price_Measure_Unit.name>
<curveType>A03</curveType>
<Period><timeInterval><start>{begin:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>
<resolution>{resolution}</resolution>{"".join(points)}</Period></TimeSeries></Publication_MarketDocument>"""


def entsoe_nothing() -> str:
    return """<?xml version="1.0" encoding="UTF-8"?>
<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0">
<mRID>1</mRID><Reason><code>999</code><text>No matching data found for Data item Day-ahead Prices</text></Reason>
</Acknowledgement_MarketDocument>"""


def open_meteo(begin: datetime, quarters: int, ghi: float = 300.0) -> dict[str, Any]:
    """/v1/forecast with minutely_15 and timeformat=unixtime: radiation rises by 1 W/m2 a label, the air by 0.1 °C."""
    times = [int((begin + k * QUARTER).timestamp()) for k in range(quarters)]
    return {
        "latitude": 49.2,
        "longitude": 16.6,
        "generationtime_ms": 0.9,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": 237.0,
        "minutely_15_units": {"time": "unixtime", "shortwave_radiation": "W/m²", "temperature_2m": "°C"},
        "minutely_15": {
            "time": times,
            "shortwave_radiation": [ghi + k for k in range(quarters)],
            "direct_normal_irradiance": [200.0] * quarters,
            "diffuse_radiation": [100.0] * quarters,
            "temperature_2m": [round(5 + 0.1 * k, 1) for k in range(quarters)],
            "wind_speed_10m": [3.0] * quarters,
            "cloud_cover": [40] * quarters,
        },
    }


def open_meteo_ensemble(begin: datetime, hours: int, members: int = 39) -> dict[str, Any]:
    """/v1/ensemble: the control run without a suffix, then member01...; here each member is 1 °C and 10 W/m2 more."""
    times = [int((begin + timedelta(hours=k)).timestamp()) for k in range(hours)]
    hourly: dict[str, Any] = {"time": times}
    for member in range(members + 1):
        suffix = f"_member{member:02d}" if member else ""
        hourly[f"temperature_2m{suffix}"] = [float(member)] * hours
        hourly[f"shortwave_radiation{suffix}"] = [10.0 * member] * hours
    return {
        "latitude": 49.2,
        "longitude": 16.6,
        "timezone": "GMT",
        "hourly_units": {"time": "unixtime"},
        "hourly": hourly,
    }


def bright_sky(begin: datetime, hours: int) -> dict[str, Any]:
    rows = [
        {
            "timestamp": (begin + timedelta(hours=k)).isoformat(),
            "source_id": 6007,
            "precipitation": 0.0,
            "pressure_msl": 1016.1,
            "sunshine": None,
            "temperature": 10.0 + k % 24,
            "wind_direction": 70,
            "wind_speed": 9.0,
            "cloud_cover": 50,
            "dew_point": 2.4,
            "solar": round(0.01 * (k % 24), 3),
            "icon": "partly-cloudy-day",
        }
        for k in range(hours)
    ]
    source = {
        "id": 6007,
        "dwd_station_id": None,
        "observation_type": "forecast",
        "lat": 49.15,
        "lon": 16.7,
        "distance": 9e3,
    }
    return {"weather": rows, "sources": [source]}


def met_norway(begin: datetime, hours: int, cloud: float = 50.0) -> dict[str, Any]:
    """Hours, then steps of six."""
    times = [begin + timedelta(hours=k) for k in range(hours)]
    times += [times[-1] + timedelta(hours=6 * k) for k in range(1, 4)]
    rows = [
        {
            "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "data": {
                "instant": {
                    "details": {
                        "air_pressure_at_sea_level": 1016.2,
                        "air_temperature": float(k),
                        "cloud_area_fraction": cloud,
                        "relative_humidity": 70.0,
                        "wind_from_direction": 90.0,
                        "wind_speed": 2.5,
                    }
                },
                "next_1_hours": {"summary": {"symbol_code": "cloudy"}, "details": {"precipitation_amount": 0.0}},
            },
        }
        for k, at in enumerate(times)
    ]
    meta = {"updated_at": f"{begin:%Y-%m-%dT%H:%M:%SZ}", "units": {"air_temperature": "celsius"}}
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [16.6, 49.2, 237]},
        "properties": {"meta": meta, "timeseries": rows},
    }


CNB = """28 Mar 2025 #62
Country|Currency|Amount|Code|Rate
Australia|dollar|1|AUD|14.520
EMU|euro|1|EUR|24.965
Japan|yen|100|JPY|15.321
"""
CNB_CZECH = """28.03.2025 #62
země|měna|množství|kód|kurz
Austrálie|dolar|1|AUD|14,520
EMU|euro|1|EUR|24,965
"""
ECB = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject>
<gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
<Cube><Cube time='2025-03-28'><Cube currency='USD' rate='1.0797'/><Cube currency='CZK' rate='24.951'/></Cube></Cube>
</gesmes:Envelope>"""


def forecast_solar(day: date, peak_w: float = 1000.0) -> dict[str, Any]:
    """Two days from sunrise at 05:40 to sunset at 16:20 UTC, an energy for each label of the time before it [Wh]."""
    energies: dict[str, int] = {}
    for k in range(2):
        begin = datetime.combine(day + timedelta(days=k), time(), UTC)
        energies[f"{begin + timedelta(hours=5, minutes=40):%Y-%m-%dT%H:%M:%S+00:00}"] = 0
        for hour in range(6, 17):
            energies[f"{begin + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S+00:00}"] = int(peak_w) if hour > 6 else 100
        energies[f"{begin + timedelta(hours=16, minutes=20):%Y-%m-%dT%H:%M:%S+00:00}"] = 60
    return {
        "result": {"watts": dict.fromkeys(energies, 500), "watt_hours_period": energies},
        "message": {"code": 0, "type": "success", "text": "", "ratelimit": {"zone": "IP", "limit": 12, "remaining": 9}},
    }
