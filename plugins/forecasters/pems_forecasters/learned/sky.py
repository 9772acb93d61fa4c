"""What was said, and what was measured, of the weather on a roof: what learned PV goes by."""

import pandas as pd

from pems_core.domain import History
from pems_forecasters.quarters import quarters_of

GHI, TEMPERATURE = "ghi_w_m2", "outdoor_temperature_c"
AIR_C = 15.0


def weather_of(history: History) -> pd.DataFrame:
    """Quarter hours of `ghi_w_m2` and `outdoor_temperature_c`, past and to come: as foretold, else as measured.

    Quarters of which nobody knows the irradiance are missing.
    """
    ghi, air = (history.outlook(name).combine_first(quarters_of(history, name)) for name in (GHI, TEMPERATURE))
    known = ghi.dropna()
    # The air changes what cells give by a third of a percent a kelvin: any is better than none.
    return pd.DataFrame({GHI: known, TEMPERATURE: air.reindex(known.index).ffill(limit=4).fillna(AIR_C)})
