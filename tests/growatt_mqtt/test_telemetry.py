"""What PEMS hears from an OpenInverterGateway (protocols B.1)."""

import pytest

from pems_core.simulation.devices.oig_tables import Build
from tests.brokers import Mosquitto

from .house import house, until


@pytest.mark.parametrize("build", ["124", "307", "3000"])
async def test_telemetry_becomes_the_points_of_the_inverter(mosquitto: Mosquitto, build: Build) -> None:
    async with house(mosquitto, build=build) as home:
        assert home.good("soc") == pytest.approx(0.6)
        assert home.good("pv_kw") == pytest.approx(3.4567)
        assert home.good("charge_kw") == pytest.approx(1.2)
        assert home.good("discharge_kw") == 0.0
        assert home.good("import_kw") == 0.0
        assert home.good("export_kw") == pytest.approx(1.2345)
        assert home.good("load_kw") == pytest.approx(1.0222)
        assert home.good("status") == "normal"
        assert home.transport.alerts == ()


async def test_asks_for_what_telemetry_does_not_say(mosquitto: Mosquitto) -> None:
    async with house(mosquitto) as home:
        home.inverter.put("input", 118, 1)
        home.inverter.put("holding", 1091, 80)
        home.inverter.put("holding", 1092, 1)
        await until(lambda: home.good("mode") and home.good("stop_soc") and home.good("soh"), "all that is asked for")
        assert home.good("mode") == "battery_first"
        assert home.good("battery_charge_grid") is True
        assert home.good("stop_soc") == pytest.approx(0.8)
        assert home.good("grid_export") is True
        assert home.good("soh") == pytest.approx(0.98)
        assert home.good("lacks") == ""
        offset_s = home.good("clock_offset_s")
        assert isinstance(offset_s, float)
        assert abs(offset_s) < 30
