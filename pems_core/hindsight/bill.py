"""A bill of the supplier, held against the books."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pems_core.domain import BadSeries

from .savings import Period

COLUMNS = ("from", "to", "import_kwh", "export_kwh", "amount")


@dataclass(frozen=True, slots=True)
class Bill:
    """What was billed for the local days from the first to the last."""

    first: date
    last: date
    import_kwh: float
    export_kwh: float
    amount: float
    """For energy, without fees that do not depend on it; what was earned is taken off [currency]."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Where a bill and the books differ."""

    bill: Bill
    import_kwh: float
    export_kwh: float
    amount: float
    days: int
    """Days that have books."""

    @property
    def complete(self) -> bool:
        """Whether all its days have books; else the difference is mostly what was not recorded."""
        return self.days == (self.bill.last - self.bill.first).days + 1

    @property
    def from_energy(self) -> float:
        """Of the difference in money what comes from other kWh, at the mean price of the bill [currency]."""
        billed_kwh = self.bill.import_kwh - self.bill.export_kwh
        if abs(billed_kwh) < 0.01:
            return 0.0
        return (billed_kwh - (self.import_kwh - self.export_kwh)) * self.bill.amount / billed_kwh

    @property
    def from_prices(self) -> float:
        """The rest: other prices, taxes or fees than the house file has [currency]."""
        return self.bill.amount - self.amount - self.from_energy


def read_bills(path: Path) -> Sequence[Bill]:
    """Bills from CSV: columns `from` and `to` (local days, both included), `import_kwh`, `export_kwh`, `amount`.

    :raises BadSeries: with row, column, what was found and what is allowed; all faults together.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows, header = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadSeries([f"{path.name} cannot be read: {error}; CSV in UTF-8 is needed"]) from error
    missing = [name for name in COLUMNS if name not in header]
    if missing or not rows:
        found = ", ".join(header) or "nothing"
        raise BadSeries([f"{path.name}: found {found}; columns {', '.join(COLUMNS)} and a row are needed"])
    faults: list[str] = []
    bills = [bill for i, row in enumerate(rows, start=2) if (bill := _bill(path.name, i, row, faults)) is not None]
    if faults:
        raise BadSeries(faults)
    return bills


def reconcile(bill: Bill, period: Period) -> Reconciled:
    """Hold a bill against the books of its days."""
    return Reconciled(bill, period.energy("import_kwh"), period.energy("export_kwh"), period.bill, len(period.days))


def _bill(name: str, number: int, row: dict[str, str], faults: list[str]) -> Bill | None:
    before = len(faults)
    days: list[date] = []
    for column in ("from", "to"):
        try:
            days.append(date.fromisoformat(row[column] or ""))
        except ValueError:
            faults.append(f"{name}, row {number}, {column}: found {row[column]!r}; a day such as 2025-01-31 is allowed")
    values: list[float] = []
    for column in ("import_kwh", "export_kwh", "amount"):
        try:
            value = float(row[column] or "")
        except ValueError:
            value = float("nan")
        lowest = None if column == "amount" else 0.0
        if not abs(value) < 1e7 or (lowest is not None and value < lowest):
            allowed = "a number" if lowest is None else "a number of 0 or more"
            faults.append(f"{name}, row {number}, {column}: found {row[column]!r}; {allowed} is allowed")
        values.append(value)
    if len(days) == 2 and days[1] < days[0]:
        faults.append(f"{name}, row {number}, to: found {row['to']}; {row['from']} or later is allowed")
    return Bill(days[0], days[1], *values) if len(faults) == before else None
