"""The aims a household can choose between. Each states what it would pay for what it wants."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pems_core.domain import Forecasts

from .objective import Objective, Prices, no_premium

G_PER_KG = 1000.0


@dataclass(frozen=True)
class LowestBill(Objective):
    """The bill and nothing else; wear and discomfort count at the prices of their devices."""

    name: str = "lowest_bill"
    capacity_charge_per_kw: float = 0.0

    def prices(self, forecasts: Forecasts) -> Prices:
        return Prices(no_premium(forecasts), no_premium(forecasts))


@dataclass(frozen=True)
class SelfConsumption(Objective):
    """Each kWh exchanged with the grid costs a premium, whichever way it flows."""

    name: str = "self_consumption"
    capacity_charge_per_kw: float = 0.0
    premium_per_kwh: float = 0.08
    """What it is worth to keep a kWh out of the meter [currency/kWh]."""

    def prices(self, forecasts: Forecasts) -> Prices:
        premium = (self.premium_per_kwh,) * forecasts.horizon.steps
        return Prices(premium, premium)


@dataclass(frozen=True)
class PeakShaving(Objective):
    """Each kW by which the billing period's import peak rises has a price."""

    name: str = "peak_shaving"
    capacity_charge_per_kw: float = 0.0
    peak_price_per_kw: float = 8.0
    """For the whole billing period [currency/kW]."""

    def prices(self, forecasts: Forecasts) -> Prices:
        return Prices(no_premium(forecasts), no_premium(forecasts), peak_price_per_kw=self.peak_price_per_kw)


@dataclass(frozen=True)
class ComfortFirst(Objective):
    """Discomfort costs a multiple of the price that the heating's configuration states."""

    name: str = "comfort_first"
    capacity_charge_per_kw: float = 0.0
    comfort_factor: float = 5.0

    def prices(self, forecasts: Forecasts) -> Prices:
        return Prices(no_premium(forecasts), no_premium(forecasts), comfort_factor=self.comfort_factor)


@dataclass(frozen=True)
class LowCarbon(Objective):
    """Imported energy pays for its carbon. Fed-in energy earns no credit: it would reward exporting at a loss."""

    name: str = "low_carbon"
    capacity_charge_per_kw: float = 0.0
    carbon_price_per_kg: float = 0.5
    """[currency/kg CO2]; a few times the market's price, so that the bill counts the less."""

    def prices(self, forecasts: Forecasts) -> Prices:
        carbon = forecasts["carbon_g_per_kwh"]
        premium = tuple(self.carbon_price_per_kg * grams / G_PER_KG for grams in carbon)
        return Prices(premium, no_premium(forecasts))


@dataclass(frozen=True)
class Combined(Objective):
    """Several aims by weight: the weighted mean of their prices, so that the bill always counts once."""

    name: str
    capacity_charge_per_kw: float
    parts: Sequence[tuple[Objective, float]]

    def __post_init__(self) -> None:
        """Check the weights.

        :raises ValueError: if there is no part, or a weight is negative, or all are zero.
        """
        found = ", ".join(f"{part.name} {weight:g}" for part, weight in self.parts) or "none"
        if any(weight < 0 for _, weight in self.parts) or sum(weight for _, weight in self.parts) <= 0:
            raise ValueError(f"{self.name} has the weights {found}; at least one above 0 and none below is needed")

    def prices(self, forecasts: Forecasts) -> Prices:
        total = sum(weight for _, weight in self.parts)
        parts = [(part.prices(forecasts), weight / total) for part, weight in self.parts if weight > 0]

        def mean(of: Callable[[Prices], float]) -> float:
            return sum(weight * of(prices) for prices, weight in parts)

        def each_step(of: Callable[[Prices], Iterable[float]]) -> tuple[float, ...]:
            weighted = [[weight * value for value in of(prices)] for prices, weight in parts]
            return tuple(sum(values) for values in zip(*weighted, strict=True))

        return Prices(
            import_premium_per_kwh=each_step(lambda p: p.import_premium_per_kwh),
            export_premium_per_kwh=each_step(lambda p: p.export_premium_per_kwh),
            peak_price_per_kw=mean(lambda p: p.peak_price_per_kw),
            comfort_factor=mean(lambda p: p.comfort_factor),
        )


def balanced(
    bill: LowestBill, self_consumption: SelfConsumption, peak_shaving: PeakShaving, comfort: ComfortFirst
) -> Combined:
    """The bill first, with something of everything else that needs no further forecast."""
    parts = ((bill, 0.4), (self_consumption, 0.2), (peak_shaving, 0.2), (comfort, 0.2))
    return Combined("balanced", bill.capacity_charge_per_kw, parts)
