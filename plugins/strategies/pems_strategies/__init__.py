"""The aims a household can choose between, and the rules that need no solver."""

from pems_core.config import Config
from pems_core.hookspecs import hookimpl
from pems_core.protocols import RuleBased, Strategy

from .aims import Combined, ComfortFirst, LowCarbon, LowestBill, PeakShaving, SelfConsumption, balanced
from .grid_charge import GridChargeRule
from .parameters import Parameters, capacity_charge_of, parameters_of
from .preheat import PreHeatRule
from .rule_based import RuleStrategy, rules, self_use, thermostat_only
from .selling import SellRule

__all__ = [
    "Combined",
    "ComfortFirst",
    "LowCarbon",
    "LowestBill",
    "PeakShaving",
    "RuleStrategy",
    "SelfConsumption",
    "balanced",
    "rules",
    "self_use",
    "thermostat_only",
]


@hookimpl
def create_strategies(config: Config) -> list[Strategy | RuleBased]:
    settings = parameters_of(config)
    return [*objectives(settings, capacity_charge_of(config)), *rule_strategies(settings)]


def objectives(settings: Parameters, capacity_charge_per_kw: float) -> list[Strategy]:
    """The aims for the solver; each contains the bill with the tariff's capacity charge."""
    charge = capacity_charge_per_kw
    bill = LowestBill(capacity_charge_per_kw=charge)
    self_consumption = SelfConsumption(capacity_charge_per_kw=charge, premium_per_kwh=settings.premium_per_kwh)
    peak_shaving = PeakShaving(capacity_charge_per_kw=charge, peak_price_per_kw=settings.peak_price_per_kw)
    comfort = ComfortFirst(capacity_charge_per_kw=charge, comfort_factor=settings.comfort_factor)
    low_carbon = LowCarbon(capacity_charge_per_kw=charge, carbon_price_per_kg=settings.carbon_price_per_kg)
    mixed = balanced(bill, self_consumption, peak_shaving, comfort)
    return [bill, self_consumption, peak_shaving, comfort, low_carbon, mixed]


def rule_strategies(settings: Parameters) -> list[RuleBased]:
    """Both baselines, and the rules that are the third baseline and the fallback."""
    by_price = rules(
        GridChargeRule(settings.target_soc, settings.least_gain_per_kwh),
        SellRule(settings.least_gain_per_kwh),
        PreHeatRule(boost_k=settings.boost_k, setback_k=settings.setback_k),
    )
    return [thermostat_only(), self_use(), by_price]
