"""Every metric is declared once, and nothing else can be written."""

from datetime import UTC, datetime

import pytest

from pems_core.recording.catalogue import BATTERY, CATALOGUE, Measurement
from pems_core.recording.points import as_lines
from tests.metrics_page import PAGE, rewritten

AT = datetime(2025, 1, 15, 10, tzinfo=UTC)


@pytest.mark.parametrize("measurement", CATALOGUE, ids=lambda m: m.name)
def test_a_name_that_ends_in_a_unit_has_that_unit(measurement: Measurement) -> None:
    units = {"_kw": "kW", "_kwh": "kWh", "_c": "°C", "_k": "K", "_kh": "K·h", "_s": "s", "_mb": "MB", "_share": "share"}
    units |= {"_per_kwh": "currency/kWh"}
    names = [metric.name for metric in measurement.metrics]
    assert len(set(names)) == len(names)
    for metric in measurement.metrics:
        for ending, unit in units.items():
            if metric.name.endswith(ending) and not (ending == "_kwh" and metric.name.endswith("_per_kwh")):
                assert metric.unit == unit, metric.name
        assert metric.meaning


def test_what_is_not_declared_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="battery: found tags device, fields power; allowed: tags device, "):
        BATTERY.point(AT, "home", {"device": "inverter"}, {"power": 1.0})
    with pytest.raises(ValueError, match="found tags , fields"):
        BATTERY.point(AT, "home", {}, {"soc": 1.0})


def test_what_is_not_known_is_left_out() -> None:
    point = BATTERY.point(AT, "home", {"device": "inverter"}, {"soc": 0.5, "mode": None})
    assert as_lines([point]) == ["battery,device=inverter,site=home soc=0.5 1736935200000"]


def test_names_with_blanks_and_quotes_survive() -> None:
    point = BATTERY.point(AT, 'my "home", upstairs', {"device": "a=b"}, {"mode": 'say "x"'})
    assert as_lines([point]) == [r'battery,device=a\=b,site=my\ "home"\,\ upstairs mode="say \"x\"" 1736935200000']


def test_the_page_tells_every_metric() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert rewritten(page) == page, "run python -m tests.metrics_page"
