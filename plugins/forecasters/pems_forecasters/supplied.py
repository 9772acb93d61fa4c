"""PV as somebody else forecasts it for this house."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pems_core.domain import Forecast, History, Horizon, SiteState

from .quarters import onto, quarters_ahead
from .sun import PV


@dataclass
class AsSupplied:
    """What a source says of the house's PV, as it says it, if it does so for the whole horizon."""

    name: str = "as_supplied"
    series: Sequence[str] = (PV,)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        ahead = quarters_ahead(horizon)
        values = np.asarray(history.outlook(PV).reindex(ahead), dtype=np.float64)
        if np.isnan(values).any():
            return {}
        return {PV: Forecast(onto(horizon, ahead, values), "supplied, as it was said", state.now)}
