"""PV that somebody forecasts for the house, put right by what became of it before."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, Forecast, History, Horizon, Learned, SiteState
from pems_forecasters.quarters import measured_before, quarters_ahead, quarters_of
from pems_forecasters.sun import PV

from . import given
from .forecasters import KNOWN_FOR, with_quantiles
from .trees import CannotLearn, usable
from .wall_clock import Days, ahead_of


@dataclass
class SuppliedPv:
    """What somebody foretells of this house's PV, put right; it answers where something is said of the time ahead."""

    timezone: str
    name: str = "pv_given"
    series: Sequence[str] = (PV,)
    model: str = "pv_given_kw"
    _known: given.Correction | None = field(default=None, repr=False)

    def learn(self, history: History) -> Learned:
        """See `Learner.learn`."""
        said, measured = history.outlook(PV), quarters_of(history, PV)
        if said.empty or measured.empty:
            found = "nobody who foretells it" if said.empty else "nothing measured"
            raise CannotLearn(f"found {found}; a forecast of {PV} and what became of it are needed")
        said = said[said.index <= measured.index[-1]]
        learned = given.train(self._supplied(said, measured))
        metrics = {f"mae_kw of {name}": error for name, error in learned.mae_kw.items()}
        begin, end = said.index[0].to_pydatetime(), measured.index[-1].to_pydatetime()
        return Learned(learned.as_json(), begin, end, metrics | {"mae_kw": learned.mae_kw["corrected"]})

    def adopt(self, content: Mapping[str, Any] | None) -> None:
        """See `Learner.adopt`."""
        self._known = None
        model = usable(given.Correction, given.FEATURES, content)
        self._known = model if model is not None and model.better else None

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        # Tables take a moment to work out, in which nobody should have to wait.
        return await asyncio.to_thread(self.expected, horizon, state, history)

    def expected(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        said, ahead = history.outlook(PV), quarters_ahead(horizon)
        measured = measured_before(history, PV, state.now, KNOWN_FOR)
        if self._known is None or measured.empty or said.reindex(ahead).isna().all():
            return {}
        supplied = self._supplied(said, measured, ahead[-1])
        found = self._known.predict(supplied, ahead_of(supplied.given, state.now, ahead))
        if not np.isfinite(found).all():
            return {}
        return {PV: with_quantiles(horizon, ahead, found, "supplied, corrected by what became of it", state.now)}

    def _supplied(
        self, said: "pd.Series[float]", measured: "pd.Series[float]", until: pd.Timestamp | None = None
    ) -> given.Supplied:
        days = Days.of(said, self.timezone, QUARTER, until)
        return given.Supplied(days, days.of_the_same(measured))
