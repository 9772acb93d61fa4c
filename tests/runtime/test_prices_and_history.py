"""What forecasters learn from: prices that come in, and means of what is measured."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pems_core.clock import FastClock
from pems_core.commanding.store import Store
from pems_core.domain import QUARTER, BadSeries, HeatingSpec, Reading, Readings
from pems_core.domain.errors import Faults
from pems_core.runtime.history import Recorder
from pems_core.runtime.payloads import PricesSet, understood
from pems_core.runtime.prices import PriceBook
from pems_core.simulation.devices.small_live_house import INVERTER, room

NOW = datetime(2025, 1, 15, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state", FastClock(NOW, 1e-6)) as store:
        yield store


@pytest.fixture
def book(store: Store, tmp_path: Path) -> PriceBook:
    return PriceBook(store, tmp_path / "prices.csv", "CZK", eur_rate=25.0)


def message(text: str) -> PricesSet:
    return understood(PricesSet, text.encode())


def test_prices_per_mwh_in_eur_become_the_households_currency_per_kwh(book: PriceBook) -> None:
    changed = book.take(message('{"unit":"EUR/MWh","minutes":60,"prices":[{"start":"2025-01-15T10:00Z","value":100}]}'))
    assert changed == {NOW + k * QUARTER: (None, 2.5) for k in range(4)}
    assert book.known_until(NOW) == NOW + HOUR


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"unit":"EUR/kWh","minutes":60,"prices":[{"start":"2025-01-15T10:00Z","value":1}]}', "unit"),
        ('{"unit":"CZK/kWh","minutes":60,"prices":[{"start":"2025-01-15T10:00Z","value":2500}]}', "per MWh"),
        ('{"unit":"CZK/kWh","minutes":15,"prices":[{"start":"2025-01-15T10:07Z","value":2}]}', "quarter hours"),
        ('{"unit":"CZK/kWh","minutes":15,"prices":[{"start":"2025-01-15T10:00","value":2}]}', "prices.0.start"),
        ('{"unit":"CZK/kWh","minutes":15,"prices":[{"start":"2025-01-15T10:00Z","value":"2"}]}', "prices.0.value"),
    ],
)
def test_refuses_prices_that_cannot_be_with_their_place(book: PriceBook, text: str, place: str) -> None:
    with pytest.raises(Faults, match=place):
        book.take(message(text))
    assert book.known_until(NOW) is None


def test_reads_a_file_of_prices_once_and_again_when_it_changes(book: PriceBook) -> None:
    book.file.write_text("utc_start,spot_price_per_kwh\n2025-01-15T10:00Z,2.0\n2025-01-15T11:00Z,3.0\n")
    assert len(book.look()) == 8
    assert book.look() == {}
    book.file.write_text("utc_start,spot_price_per_kwh\n2025-01-15T10:00Z,2.0\n2025-01-15T11:00Z,3.55\n")
    assert set(book.look()) == {NOW + HOUR + k * QUARTER for k in range(4)}


def test_a_file_with_a_broken_row_is_refused_as_a_whole(book: PriceBook) -> None:
    book.file.write_text("utc_start,spot_price_per_kwh\n2025-01-15T10:00Z,2.0\nyesterday,3.0\n2025-01-15T12:00Z,many\n")
    with pytest.raises(BadSeries) as refused:
        book.look()
    assert "row 3, column utc_start: found 'yesterday'" in str(refused.value)
    assert "row 4, column spot_price_per_kwh: found 'many'" in str(refused.value)
    assert book.known_until(NOW) is None


def readings(at: datetime, **values: float | bool) -> Readings:
    units = {"load_kw": "kW", "pv_kw": "kW"}
    points = {
        f"inverter/{name}": Reading(value, units.get(name, ""), at, at)
        for name, value in values.items()
        if not name.startswith("kitchen")
    }
    relay = Reading(values.get("kitchen_relay", False), "", at, at)
    return Readings(at, points | {"heating/kitchen_relay": relay})


def record(store: Store, **values: float | bool) -> Recorder:
    recorder = Recorder({"inverter": INVERTER, "heating": HeatingSpec((room("kitchen"),), 1.0, 10.0)}, store)
    for minute in range(17):
        recorder.see(readings(NOW + minute * timedelta(minutes=1), **values))
    return recorder


def test_the_base_load_is_the_load_without_the_relays_that_pems_plans(store: Store) -> None:
    record(store, load_kw=2.7, pv_kw=1.0, kitchen_relay=True)
    frame = store.history(1)
    assert frame["base_load_kw"].loc[NOW] == pytest.approx(0.7)
    assert frame["pv_kw"].loc[NOW] == pytest.approx(1.0)


def test_curtailed_sun_teaches_nothing(store: Store) -> None:
    record(store, load_kw=0.7, pv_kw=1.0, grid_export=False)
    frame = store.history(1)
    assert "pv_kw" not in frame
    assert frame["base_load_kw"].loc[NOW] == pytest.approx(0.7)
