"""The example house with one room, on series that do not change: a plan takes a moment."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pems_core.domain import HOUR, floor_time
from pems_core.simulation.devices.small_live_house import HISTORY, flat_scenario
from pems_core.simulation.live_trial import live_house_file
from pems_core.simulation.scenario import Scenario


def small_house_file(example: Path, folder: Path, url: str) -> Path:
    """The example house with one room and a short horizon, so that a plan takes a moment."""
    file = live_house_file(example, folder, url)
    parts = re.split(r"(?m)^(?=\[\[heating_loxone\.room\]\])", file.read_text(encoding="utf-8"))
    room = re.sub(r"(?m)^neighbours.*\n", "", parts[1])
    text = re.sub(r"(?m)^horizon_hours = .*$", "horizon_hours = 6", parts[0] + room)
    text = re.sub(r"(?m)^near_hours = .*$", "near_hours = 3", text)
    text = re.sub(r"(?m)^binary_hours = .*$", "binary_hours = 1", text)
    file.write_text(text, encoding="utf-8")
    return file


def constant(now: datetime) -> Scenario:
    series = {
        "import_price_per_kwh": 3.0,
        "feed_in_price_per_kwh": 1.0,
        "pv_kw": 0.0,
        "base_load_kw": 0.5,
        "outdoor_temperature_c": 0.0,
        "ghi_w_m2": 0.0,
    }
    return flat_scenario(now - HISTORY, now + timedelta(days=1), series)


def write_prices(file: Path) -> None:
    begin = floor_time(datetime.now(UTC), HOUR) - timedelta(days=1)
    rows = [f"{(begin + k * HOUR).isoformat()},{1.0 + 0.1 * (k % 24)}" for k in range(72)]
    file.write_text("\n".join(["utc_start,spot_price_per_kwh", *rows, ""]))
