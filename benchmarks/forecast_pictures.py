"""The picture of docs/forecasting.md: `python -m benchmarks.forecast_pictures`, with PEMS_DATA.

Learned from the 75 days before the recorded spring week, and asked at each of its first midnights.
"""

from datetime import timedelta

from pems_core.forecasting.chain import ranked
from pems_core.forecasting.scoring import compared
from pems_core.plugins import create_forecasters, load_plugins
from pems_core.reporting.forecasts import backtest_picture
from pems_core.simulation.asked import AskedOutlook
from pems_core.simulation.backtest import Backtest
from pems_core.simulation.outlook import Outlook

from .houses import ROOT, recorded, reference_house, scenario_for

PICTURE = ROOT / "docs" / "images" / "forecasts.png"
SHOWN = ("pv_kw", "base_load_kw", "import_price_per_kwh", "outdoor_temperature_c")
DAYS = 5.0
LEARNED_DAYS = 75


def main() -> None:
    """Draw it anew."""
    if not recorded():
        raise SystemExit("PEMS_DATA: found none; the folder with recordings is needed")
    built = reference_house()
    scenario, start = scenario_for(built, "spring", DAYS, history_days=LEARNED_DAYS)
    chain = ranked(create_forecasters(load_plugins(), built.config))
    asked = AskedOutlook(scenario, chain, built.tariff, Outlook(scenario))
    test = Backtest(asked, start, start + timedelta(days=DAYS), timedelta(days=1))
    tables = test.run(lambda now: print(f"{now:%Y-%m-%d}"))
    timezone = built.site.timezone
    rows = {name: compared(tables[name], test.truth(name), timezone) for name in SHOWN}
    PICTURE.write_bytes(backtest_picture(rows, timezone).png)


if __name__ == "__main__":
    main()
