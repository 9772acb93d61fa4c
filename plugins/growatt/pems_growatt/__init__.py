"""Growatt hybrid inverters."""

from pems_core.config import Config, GridSection, PvSection, Section, SiteSection
from pems_core.hookspecs import hookimpl
from pems_core.protocols import Transport

from .config import GrowattSection
from .control import Permissions
from .grott import GrottListener
from .inverter import HybridInverter
from .modbus import Connection, GrowattModbus
from .oig import OigTransport
from .plausible import Ratings

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
    return [HybridInverter(DEVICE, spec, config[SiteSection].timezone, settings.transport, settings.topic)]


@hookimpl
def create_transports(config: Config) -> list[Transport]:
    settings = config.get(GrowattSection)
    if settings is None:
        return []
    timezone = config[SiteSection].timezone
    transports: list[Transport] = [
        modbus_transport(config, settings, timezone)
        if settings.transport == "modbus"
        else OigTransport(
            DEVICE,
            settings,
            settings.spec(pv_share(config.all(PvSection))),
            timezone,
            export_limit_percent(config, settings),
        )
    ]
    if settings.grott_topic:
        transports.append(GrottListener(DEVICE, settings, timezone))
    return transports


def modbus_transport(config: Config, settings: GrowattSection, timezone: str) -> GrowattModbus:
    """The conversation over Modbus, with the limits of the house."""
    grid = config[GridSection].spec()
    arrays_kw = sum(array.peak_kw for array in config.all(PvSection) if array.dc_of == DEVICE)
    ratings = Ratings(
        pv_kw=arrays_kw or 2 * settings.ac_limit_kw,
        battery_kw=max(settings.charge_limit_kw or 0.0, settings.discharge_limit_kw or 0.0),
        grid_kw=max(grid.import_limit_kw, settings.ac_limit_kw),
        battery_kwh=settings.battery_kwh,
    )
    permissions = Permissions(
        clock_sync=settings.clock_sync,
        reserve_register_checked=settings.reserve_register_checked,
        export_limit_percent=export_limit_percent(config, settings),
        writes_per_day=settings.writes_per_day,
        most_writes_per_day=settings.writes_hard,
    )
    connection = Connection(
        settings.url,
        settings.unit,
        None if settings.family == "probe" else settings.family,
        settings.poll_s,
        settings.spacing_s,
    )
    return GrowattModbus(DEVICE, connection, ratings, timezone, permissions)


def export_limit_percent(config: Config, settings: GrowattSection) -> float:
    """What the house may feed in, as the inverter takes it [% of its rated power]."""
    grid = config[GridSection].spec()
    return min(100.0, round(100 * grid.export_limit_kw / settings.ac_limit_kw, 1))


def pv_share(arrays: tuple[PvSection, ...]) -> float:
    """Share of the site's peak power whose strings hang on this inverter.

    >>> roof = PvSection(peak_kw=3.0, tilt_deg=35.0, azimuth_deg=180.0)
    >>> pv_share((roof, roof.model_copy(update={"peak_kw": 1.0, "dc_of": "garage"})))
    0.75
    """
    total_kw = sum(array.peak_kw for array in arrays)
    return sum(array.peak_kw for array in arrays if array.dc_of == DEVICE) / total_kw if arrays else 0.0
