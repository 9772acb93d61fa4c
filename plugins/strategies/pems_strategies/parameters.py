"""The numbers that the aims and rules read from `[strategy] parameters`, in the house's currency."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

from pems_core.config import Config, SiteSection, StrategySection, TariffSection, did_you_mean
from pems_core.domain import ConfigError

PER_EURO: Mapping[str, float] = {
    "EUR": 1.0, "BGN": 2.0, "CHF": 0.95, "CZK": 25.0, "DKK": 7.5, "GBP": 0.85,
    "HUF": 400.0, "NOK": 11.5, "PLN": 4.3, "RON": 5.0, "SEK": 11.5, "USD": 1.1,
}  # fmt: skip
"""Round figures: they only bring the defaults to the size of the house's prices."""

IN_CURRENCY = ("premium_per_kwh", "peak_price_per_kw", "carbon_price_per_kg", "least_gain_per_kwh")
AT_MOST_ONE = ("target_soc",)
PRICE_OF: Mapping[str, tuple[str, ...]] = {
    "self_consumption": ("premium_per_kwh",),
    "peak_shaving": ("peak_price_per_kw",),
    "low_carbon": ("carbon_price_per_kg",),
    "balanced": ("premium_per_kwh", "peak_price_per_kw"),
}
"""The parameters in currency that an aim needs."""


@dataclass(frozen=True)
class Parameters:
    """Defaults are for prices in EUR."""

    premium_per_kwh: float = 0.08
    """self_consumption: on each kWh exchanged with the grid [currency/kWh]."""
    peak_price_per_kw: float = 8.0
    """peak_shaving: on each kW by which the billing period's import peak rises [currency/kW]."""
    comfort_factor: float = 5.0
    """comfort_first: times the price of discomfort."""
    carbon_price_per_kg: float = 0.5
    """low_carbon: on the carbon of imported energy [currency/kg]."""
    least_gain_per_kwh: float = 0.01
    """rules: what grid charging and selling must gain beyond losses and wear [currency/kWh]."""
    target_soc: float = 1.0
    """rules: grid charging stops here [share]."""
    boost_k: float = 1.0
    """rules: setpoints are raised by this in cheap hours [K]."""
    setback_k: float = 1.0
    """rules: and lowered by this in dear ones [K]."""


def parameters_of(config: Config) -> Parameters:
    """The configured parameters, and defaults for the rest.

    :raises ConfigError: one line for each that is unknown, out of range, or needed in a currency without a default.
    """
    section, site = config.get(StrategySection), config.get(SiteSection)
    given = dict(section.parameters) if section else {}
    faults = [*_parameter_faults(given), *_currency_faults(config, given)]
    if faults:
        raise ConfigError(faults)
    per_euro = PER_EURO.get(site.currency.upper() if site else "EUR", 1.0)
    in_euro = Parameters()
    scaled = {name: getattr(in_euro, name) * per_euro for name in IN_CURRENCY}
    return replace(in_euro, **(scaled | given))


def _parameter_faults(given: Mapping[str, float]) -> Iterator[str]:
    known = [field.name for field in fields(Parameters)]
    for name, value in given.items():
        place = f"strategy.parameters.{name}"
        if name not in known:
            yield f"{place}: unknown; allowed: {', '.join(known)}{did_you_mean(name, known)}"
        elif value < 0:
            yield f"{place}: found {value:g}; allowed: 0 or more"
        elif name in AT_MOST_ONE and value > 1:
            yield f"{place}: found {value:g}; allowed: up to 1"


def _currency_faults(config: Config, given: Mapping[str, float]) -> Iterator[str]:
    section, site = config.get(StrategySection), config.get(SiteSection)
    if section is None or site is None or site.currency.upper() in PER_EURO:
        return
    needed = {parameter for aim in section.mix for parameter in PRICE_OF.get(aim, ())}
    for name in sorted(needed - set(given)):
        listed = ", ".join(sorted(PER_EURO))
        yield f"strategy.parameters.{name}: missing; there is no default in {site.currency}, only in {listed}"


def capacity_charge_of(config: Config) -> float:
    """The tariff's charge per kW of a billing month's peak [currency/kW]; 0 without one."""
    tariff = config.get(TariffSection)
    return tariff.capacity_charge_per_kw if tariff else 0.0
