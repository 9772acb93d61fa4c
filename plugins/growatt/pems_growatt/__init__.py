"""Growatt hybrid inverters."""

from pems_core.config import Config, PvSection, Section, SiteSection
from pems_core.hookspecs import hookimpl

from .config import GrowattSection
from .inverter import HybridInverter

DEVICE = "inverter"


@hookimpl
def declare_config() -> tuple[str, type[Section]]:
    return "growatt", GrowattSection


@hookimpl
def create_devices(config: Config) -> list[HybridInverter]:
    settings = config.get(GrowattSection)
    if settings is None:
        return []
    spec = settings.spec(pv_share(config.all(PvSection)))
    return [HybridInverter(DEVICE, spec, config[SiteSection].timezone)]


def pv_share(arrays: tuple[PvSection, ...]) -> float:
    """Share of the site's peak power whose strings hang on this inverter.

    >>> roof = PvSection(peak_kw=3.0, tilt_deg=35.0, azimuth_deg=180.0)
    >>> pv_share((roof, roof.model_copy(update={"peak_kw": 1.0, "dc_of": "garage"})))
    0.75
    """
    total_kw = sum(array.peak_kw for array in arrays)
    return sum(array.peak_kw for array in arrays if array.dc_of == DEVICE) / total_kw if arrays else 0.0
