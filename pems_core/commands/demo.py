"""`pems demo`: the example house live, on a fast clock, with simulated devices behind a broker of its own."""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, time
from math import ceil
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from pems_core.commanding.overrides import Overrides
from pems_core.config import SiteSection, load_config, load_section
from pems_core.domain import HOUR, QUARTER, CycleReport, HeatingSpec, HeatingState, InverterState, Plan
from pems_core.nodered import NodeRed, NotInstalled, program
from pems_core.plugins import declared_sections, load_plugins
from pems_core.runtime.build import Blueprint
from pems_core.runtime.engine import Ended, Engine
from pems_core.runtime.run import run_house
from pems_core.simulation.live_trial import TrialHouse, generated_outlook, live_house_file
from pems_core.simulation.patient_clock import PatientClock
from pems_core.site import read_house
from pems_core.transport.broker import EmbeddedBroker

from .inputs import GENERATED_START, example_house, scenario_from
from .options import SEED

BEGINS = time(14, 50)
"""Local time at which the demo starts: with rooms warm, and the dear hours of the evening ahead."""
MOST_DAYS = 8.0
CARRIED = ("inverter", "heating")
"""Devices that are told through Node-RED."""
HEADINGS = ("time", "price", "SOC", "mode", "grid", "PV", "rooms", "cost", "planned", "why")


@click.command()
@click.option("--speed", type=click.FloatRange(1, 600), default=30.0, show_default=True, help="Seconds in one second.")
@click.option("--hours", type=click.FloatRange(min=0.25, max=24 * MOST_DAYS), help="End by itself. [until Ctrl-C]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the broker. [a free one]")
@click.option("--seed", type=SEED, default=1, show_default=True, help="Of the generated days.")
def demo(speed: float, hours: float | None, port: int | None, seed: int) -> None:
    """Run the example house live: no configuration, no hardware.

    A simulated inverter and a simulated Miniserver are real servers behind a broker; the engine is the one of
    `pems run`, and controls them. Days are generated, and the clock runs fast. Node-RED carries what it tells them and
    shows the house on pages, if it is installed (make nodered).
    """
    # Alerts are on the topic `alert`; between the lines of the table they would only confuse.
    logging.getLogger("pems_core.runtime.contract").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="pems-demo-") as folder:
        trial = Demo(Path(folder), speed, hours, seed)
        ended = asyncio.run(trial.run(port))
        trial.sum_up(ended)
        sys.stdout.flush()
        code = ended.exit_code
    # A search that still runs keeps its thread, which nobody can end.
    os._exit(code)


@dataclass
class Demo:
    """One run of the demo, and what it shows."""

    folder: Path
    speed: float
    hours: float | None
    seed: int
    house: TrialHouse = field(init=False)
    blueprint: Blueprint = field(init=False)
    clock: PatientClock = field(init=False)
    began: datetime = field(init=False)
    plans: list[Plan] = field(default_factory=list)
    _engine: Engine = field(init=False)

    async def run(self, port: int | None) -> Ended:
        """Run until Ctrl-C or the hours are over."""
        async with AsyncExitStack() as stack:
            try:
                broker = await stack.enter_async_context(EmbeddedBroker(port))
            except OSError as error:
                raise click.ClickException(f"--port: {error}") from error
            front = self._front(broker)
            self._build(broker, carries=CARRIED if front else ())
            self._say_where(broker)
            for time in (self.clock.run(), self._end_in_time()):
                stack.callback(asyncio.create_task(time).cancel)
            if front is not None:
                stack.push_async_callback(front.stop)
                stack.callback(asyncio.create_task(self._open(front)).cancel)
            async with self.house.serving():
                return await run_house(self.blueprint, self._begun)

    def _front(self, broker: EmbeddedBroker) -> NodeRed | None:
        """Node-RED in front of the house; None if it is not installed: the demo goes on without."""
        try:
            program()
        except NotInstalled as fault:
            click.echo(f"Without pages: {fault}")
            return None
        site = load_section(example_house(), "site", SiteSection, {})
        return NodeRed(broker.url, site.name, self.folder / "node-red")

    async def _open(self, front: NodeRed) -> None:
        """Start Node-RED beside the house, and say where its pages are."""
        try:
            await front.start()
        except NotInstalled as fault:
            click.echo(f"Without pages: {fault}")
        else:
            click.echo(f"Pages: {front.pages}")

    async def _end_in_time(self) -> None:
        """End the engine when the hours are over."""
        if self.hours is None:
            return
        await self.clock.sleep(self.hours * HOUR.total_seconds())
        self._engine.end(f"{self.hours:g} hours are over")

    def _build(self, broker: EmbeddedBroker, carries: Sequence[str]) -> None:
        file = live_house_file(example_house(), self.folder, broker.url, carries)
        plugins = load_plugins()
        config = load_config(file, declared_sections(plugins), {})
        built = read_house(config, plugins)
        days = MOST_DAYS if self.hours is None else ceil(self.hours / 24) + 1
        scenario, _ = scenario_from(built, None, None, days, self.seed)
        begin = datetime.combine(GENERATED_START, BEGINS, built.site.zone).astimezone(scenario.start.tzinfo)
        self.clock, self.began = PatientClock(begin, self.speed), begin
        self.blueprint = Blueprint(
            config, plugins, self.clock, self.folder, [generated_outlook(scenario, self.seed)], plans_apart=True
        )
        self.house = TrialHouse.of(built, scenario, self.clock, broker.port)

    def _say_where(self, broker: EmbeddedBroker) -> None:
        prefix, file = self.blueprint.prefix, self.folder / "pems.toml"
        order = '{"device":"heating","control":"kitchen_setpoint_c","value":23,"for_minutes":120,"by":"me"}'
        begin = f"{self.began.astimezone(self._zone):%Y-%m-%d %H:%M}"
        for line in (
            f"The example house from {begin} on, generated; {self.speed:g} times as fast as the wall.",
            f"Broker: {broker.url}, everything PEMS says is below {prefix}/",
            f"  listen:   mosquitto_sub -p {broker.port} -v -t '{prefix}/#'",
            f"  the wire: mosquitto_sub -p {broker.port} -v -t 'energy/solar/command/#' -t 'loxone/#'",
            f"  override: mosquitto_pub -q 1 -p {broker.port} -t {prefix}/override/set -m '{order}'",
            f"  or:       pems override set heating kitchen_setpoint_c 23 --for 2h --house {file}",
            f"  stop:     pems stop --house {file}, and Ctrl-C ends the demo",
            f"First plan in a moment. Costs are in {self._currency}.",
            "",
        ):
            click.echo(line)
        click.echo(_row(HEADINGS))

    def _begun(self, engine: Engine) -> None:
        engine.finished = [*engine.finished, self._show]
        self._engine = engine

    async def _show(self, report: CycleReport, reasons: Sequence[str]) -> None:
        """One line for each cycle."""
        now, plan = self.clock.now(), report.plan
        self.plans.append(plan)
        cost, planned = self._costs()
        powers = self.house.live.powers_kw
        t = plan.horizon.step_at(now)
        grid_kw = powers["grid_import_kw"] - powers["grid_export_kw"]
        cells = (
            f"{now.astimezone(self._zone):%a %H:%M}",
            f"{plan.prices.get('import_price_per_kwh', (0.0,) * (t + 1))[t]:.2f}",
            soc_text(report),
            mode_text(report, self._engine.live.commanding.overrides, t),
            f"{grid_kw:+.1f} kW",
            f"{powers['pv_kw']:.1f} kW",
            self._rooms(report, now),
            f"{cost:.2f}",
            f"{planned:.2f}",
            self._stopped() or why_text(report, reasons, now),
        )
        click.echo(_row(cells))

    def _stopped(self) -> str:
        """That nothing of the plan is done, while that is so."""
        latch = self._engine.live.commanding.emergency.latch
        return f"STOPPED by {latch.by}: every device is under its own control; pems stop --reset" if latch else ""

    def _rooms(self, report: CycleReport, now: datetime) -> str:
        """How many rooms are within their comfort band."""
        counts = [comfortable(spec, report, now) for spec in self._heatings.items()]
        return f"{sum(c for c, _ in counts)}/{sum(n for _, n in counts)}"

    def _costs(self) -> tuple[float, float]:
        """The bill of the whole quarter hours so far, and what the plans meant to pay in them [currency]."""
        flows = self.house.live.house.flows()
        if not len(flows):
            return 0.0, 0.0
        until = flows.index[-1].to_pydatetime() + QUARTER
        ends = [plan.made_at for plan in self.plans[1:]] + [until]
        spans = zip(self.plans, ends, strict=True)
        return float(flows["cost"].sum()), sum(planned_cost(plan, plan.made_at, min(end, until)) for plan, end in spans)

    def sum_up(self, ended: Ended) -> None:
        """What happened, in a few lines."""
        self.house.live.catch_up()
        lived = (self.clock.now() - self.began) / HOUR
        click.echo(f"\nEnded: {ended.why}. {lived:.1f} hours lived, {len(self.plans)} plans.")
        cost, planned = self._costs()
        click.echo(f"The bill is {cost:.2f} {self._currency}; the plans meant to pay {planned:.2f}.")
        for device, back in ended.released.items():
            click.echo(f"{device}: {'given back to its own control, and read back' if back else 'NOT READ BACK'}")

    @property
    def _heatings(self) -> Mapping[str, HeatingSpec]:
        return {n: s for n, s in self.blueprint.house.equipment.items() if isinstance(s, HeatingSpec)}

    @property
    def _zone(self) -> ZoneInfo:
        return self.blueprint.house.site.zone

    @property
    def _currency(self) -> str:
        return self.blueprint.house.site.currency


def planned_cost(plan: Plan, begin: datetime, end: datetime) -> float:
    """What a plan meant to pay between two instants [currency]."""
    buy = plan.prices.get("import_price_per_kwh", (0.0,) * plan.horizon.steps)
    sell = plan.prices.get("feed_in_price_per_kwh", (0.0,) * plan.horizon.steps)
    total = 0.0
    for t, (start, until) in enumerate(zip(plan.horizon.starts, plan.horizon.ends, strict=True)):
        overlap_h = (min(until, end) - max(start, begin)) / HOUR
        if overlap_h > 0:
            bought, sold = plan.dispatch["grid.import_kw"][t], plan.dispatch["grid.export_kw"][t]
            total += overlap_h * (bought * buy[t] - sold * sell[t])
    return total


def soc_text(report: CycleReport) -> str:
    found = [s.battery.soc for s in report.state.devices.values() if isinstance(s, InverterState) and s.battery]
    return f"{found[0]:.0%}" if found else "-"


def mode_text(report: CycleReport, overrides: Overrides, t: int) -> str:
    by_hand = {o.device: str(o.value) for o in overrides.in_force() if o.control == "mode"}
    modes = [f"{by_hand[d]}!" if d in by_hand else m[t] for d, m in report.plan.modes.items()]
    return modes[0] if modes else str(report.plan.rung)


def comfortable(named: tuple[str, HeatingSpec], report: CycleReport, now: datetime) -> tuple[int, int]:
    """Rooms within their band, and all rooms."""
    name, spec = named
    state = report.state.devices.get(name)
    if not isinstance(state, HeatingState):
        return 0, len(spec.rooms)
    within = 0
    for room in spec.rooms:
        band = room.comfort.at(now)
        within += band.low_c - 0.05 <= state.rooms[room.name].temperature_c <= band.high_c + 0.05
    return within, len(spec.rooms)


def why_text(report: CycleReport, reasons: Sequence[str], now: datetime) -> str:
    """Why it was planned, if not by the clock, and why the inverter does what it does."""
    because = [d.reason.text for d in report.decisions if d.holds(now) and d.reason.text]
    said = [f"[{'; '.join(reasons)}]"] if reasons and tuple(reasons) != ("start",) else []
    return " ".join([*said, *because[:1]])


def _row(cells: Sequence[str]) -> str:
    widths = (9, 6, 5, 14, 9, 7, 6, 8, 8)
    text = " ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), cells[-1]])
    return text[: shutil.get_terminal_size().columns] if sys.stdout.isatty() else text
