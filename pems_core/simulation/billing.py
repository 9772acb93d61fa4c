"""What the grid costs beyond energy: the highest import of each month."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import pandas as pd

from pems_core.domain import QUARTER
from pems_core.tariff import billing_month


@dataclass(frozen=True, slots=True)
class Billing:
    """Months as they are billed, in local time, and what a kW of their peak costs."""

    zone: tzinfo = UTC
    capacity_charge_per_kw: float = 0.0
    """Per kW of the highest quarter-hour import mean of a month [currency/kW]."""

    def period_end(self, at: datetime) -> datetime:
        """When the month ends to which an instant is billed."""
        return billing_month(at, self.zone)[1]

    def capacity_cost(self, flows: pd.DataFrame) -> float:
        """The charge for the peaks of all months that a run touches [currency].

        A month counts whole, however few of its days there are, and with the run's own quarter hours only.

        :param flows: with `grid_import_kw`, labelled by interval start in UTC.
        """
        if not self.capacity_charge_per_kw:
            return 0.0
        import_kw = flows["grid_import_kw"].resample(QUARTER).mean()
        local = pd.DatetimeIndex(import_kw.index).tz_convert(self.zone)
        peaks_kw = import_kw.groupby([local.year, local.month]).max()
        return self.capacity_charge_per_kw * float(peaks_kw.sum())
