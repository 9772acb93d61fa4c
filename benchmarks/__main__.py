"""`python -m benchmarks short|full|write|<name>...`."""

import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import click
from rich.console import Console
from rich.table import Table

from .economics import ECONOMICS
from .flows import FLOWS
from .forecasts import FORECASTS
from .hindsight import HINDSIGHT
from .houses import ROOT, recorded, reference_house, scenario_for
from .influx import INFLUX
from .learned_rooms import LEARNED_ROOMS
from .ledger import LEDGER
from .live import LIVE
from .machine import MACHINE
from .nodered import NODERED
from .plans import PLANS
from .rows import Results, Row, load, save
from .runs import Runs, source_digest
from .setting import Benchmark, Setting
from .table import shown, write

BENCHMARKS = (
    *PLANS,
    *ECONOMICS,
    *FLOWS,
    *FORECASTS,
    *MACHINE,
    *INFLUX,
    *LIVE,
    *NODERED,
    *LEARNED_ROOMS,
    *HINDSIGHT,
    *LEDGER,
)
NAMES = {benchmark.name: benchmark for benchmark in BENCHMARKS}
WHOLE = ("short", "full", "write")
PACKAGES = ("pems", "pyomo", "highspy", "numpy", "pandas")
DOCUMENT = ROOT / "docs" / "benchmarks.md"
FOLDER = ROOT / "out" / "benchmarks"
CPU_INFO = Path("/proc/cpuinfo")


@click.command()
@click.argument("what", nargs=-1, required=True, metavar=f"{'|'.join(WHOLE)}|NAME...")
@click.option("--full", "wanted_full", is_flag=True, help="Measure named benchmarks as in the full selection.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Closed loops at a time.")
@click.option("--every", type=click.Choice(["15", "30", "60"]), help="Minutes between plans. [60; full: 15]")
@click.option("--days", type=click.FloatRange(0, min_open=True), help="Length of closed loops. [3; full: 7]")
@click.option("--keep", is_flag=True, help="Use closed loops that other code has run before.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=FOLDER, help="[out/benchmarks]")
@click.option("--date", default="", metavar="DAY", help="Day that stands in the document; needed by write.")
def main(
    what: tuple[str, ...],
    wanted_full: bool,
    jobs: int,
    every: str | None,
    days: float | None,
    keep: bool,
    folder: Path,
    date: str,
) -> None:
    """Measure what PEMS reaches: `short`, `full`, or benchmarks by name; `write` renders docs/benchmarks.md."""
    unknown = [name for name in what if name not in NAMES and name not in WHOLE]
    if unknown:
        allowed = ", ".join([*WHOLE, *NAMES])
        raise click.UsageError("\n".join(f"found {name!r}; allowed: {allowed}" for name in unknown))
    full = wanted_full or "full" in what
    setting = Setting(full, Runs(folder / "runs", jobs, keep), int(every or ("15" if full else "60")), days)
    chosen = [b for b in BENCHMARKS if (full and "full" in what) or b.name in what or ("short" in what and b.in_short)]
    measure_all(chosen, setting, folder)
    if "write" in what:
        if not date:
            raise click.UsageError("write needs --date, the day that shall stand in the document")
        write(DOCUMENT, BENCHMARKS, [load(path) for path in sorted(folder.glob("*.json"))], date)
        click.echo(f"written: {DOCUMENT.relative_to(ROOT)}")


def measure_all(chosen: Sequence[Benchmark], setting: Setting, folder: Path) -> None:
    """Closed loops first, several at a time; then one benchmark after the other, each file growing row by row."""
    if not chosen:
        return
    if not recorded():
        click.echo("PEMS_DATA is not set: the weeks are generated, and bars that speak of recorded weeks say little.")
    about = origin()
    began = perf_counter()
    setting.runs.fetch(spec for benchmark in chosen for spec in benchmark.runs(setting))
    for benchmark in chosen:
        rows: list[Row] = []
        for row in benchmark.rows(setting):
            rows.append(row)
            save(Results(benchmark.name, about, rows), folder)
        show(benchmark, rows)
        click.echo(f"{(perf_counter() - began) / 60:.1f} min so far", err=True)


def show(benchmark: Benchmark, rows: Sequence[Row]) -> None:
    table = Table(title=benchmark.title, title_justify="left", title_style="bold")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("bar")
    table.add_column("reached")
    for row in rows:
        verdict = "" if row.reached is None else "yes" if row.reached else "NO"
        table.add_row(row.name, shown(row), str(row.bar or ""), verdict)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def origin() -> dict[str, str]:
    """What a reader needs to get the figures again."""
    scenario, _ = scenario_for(reference_house(), "winter", 1)
    return {
        "command": command(sys.argv[1:]),
        "machine": machine(),
        "versions": ", ".join(
            [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)]
        ),
        "series": scenario.provenance,
        "code": source_digest(),
    }


def command(words: Sequence[str]) -> str:
    """What to type for the same figures; where they were put does not matter to anyone else.

    >>> command(["growth", "--folder", "somewhere", "--full"])
    'python -m benchmarks growth --full'
    """
    kept = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if before != "--folder" and not word.startswith("--folder")
    ]
    return shlex.join(["python", "-m", "benchmarks", *kept])


def machine() -> str:
    """Processor, cores and system, without the machine's name."""
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = f"{len(models)} x {models[0]}" if models else platform.processor() or platform.machine()
    return f"{processor}, {platform.system()} {platform.machine()}"


if __name__ == "__main__":
    main()
