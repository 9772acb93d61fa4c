"""docs/benchmarks.md and its picture, from the files that runs have written."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from .rows import Results, Row
from .setting import Benchmark

BEGIN = "<!-- results: begin; written by python -m benchmarks write -->"
END = "<!-- results: end -->"
PICTURE = "images/growth.png"
PLOTTED = "growth"
OF_ALL = ("machine", "versions")
"""Facts that stand at the head of the document."""


def write(document: Path, benchmarks: Sequence[Benchmark], found: Sequence[Results], date: str) -> None:
    """Renew what stands between the markers of the document, and draw the picture if there is growth.

    Sections of benchmarks that were not run again stay as they are.

    :raises ValueError: if the document has not both markers once, in order.
    """
    text = document.read_text(encoding="utf-8")
    document.write_text(between_markers(text, markdown(benchmarks, found, date, text)), encoding="utf-8")
    for results in found:
        if results.benchmark == PLOTTED:
            draw_growth(results.rows, document.parent / PICTURE)


def between_markers(text: str, content: str) -> str:
    """The text with other content between its markers; all that people wrote around them stays."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the document needs {BEGIN!r} and then {END!r}, each once")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{content.strip()}\n\n{END}{rest.partition(END)[2]}"


def markdown(benchmarks: Sequence[Benchmark], found: Sequence[Results], date: str, before: str = "") -> str:
    """One section a benchmark, in the order of the benchmarks; those that were not run are named.

    :param before: a document that may have sections of benchmarks that were run earlier.
    """
    by_name = {results.benchmark: results for results in found}
    earlier = sections_of(before)
    common = set.intersection(*(set(results.about.items()) for results in found)) if found else set()
    if earlier:
        # What else these results share need not hold for sections that stay.
        common = {fact for fact in common if fact[0] in OF_ALL}
    sections = [
        _section(b, by_name[b.name], common) if b.name in by_name else earlier[b.title]
        for b in benchmarks
        if b.name in by_name or b.title in earlier
    ]
    missing = [b.name for b in benchmarks if b.name not in by_name and b.title not in earlier]
    head = f"Written {date}.{_summary(sections)}" + (f" Not run: {', '.join(missing)}." if missing else "")
    facts = ["\n".join(_facts(sorted(common)))] if common else []
    return "\n\n".join([head, *facts, *sections])


def sections_of(document: str) -> dict[str, str]:
    """The sections between the markers of a document, by title.

    >>> sections_of(BEGIN + " Written. ## Growth of it ## Time" + END)
    {}
    >>> sections_of(BEGIN + "\\n\\n## Growth\\n\\nof it\\n\\n## Time\\n" + END)
    {'Growth': '## Growth\\n\\nof it', 'Time': '## Time'}
    """
    _, *sections = document.partition(BEGIN)[2].partition(END)[0].split("\n## ")
    return {section.partition("\n")[0].strip(): f"## {section.strip()}" for section in sections}


def _summary(sections: Sequence[str]) -> str:
    reached, missed = (sum(section.count(f"| {verdict} |") for section in sections) for verdict in ("yes", "**no**"))
    return f" {reached} of {reached + missed} bars are reached." if reached + missed else ""


def _section(benchmark: Benchmark, results: Results, common: Collection[tuple[str, str]]) -> str:
    own = [fact for fact in results.about.items() if fact not in common]
    lines = [
        f"## {benchmark.title}",
        "",
        benchmark.about,
        "",
        *([*_facts(own), ""] if own else []),
        "| What | Value | Bar | Reached |",
        "|---|---:|---|---|",
        *(f"| {row.name} | {shown(row)} | {row.bar or ''} | {_verdict(row)} |" for row in results.rows),
    ]
    if benchmark.name == PLOTTED:
        lines += ["", f"![Time of a plan against rooms and steps]({PICTURE})"]
    return "\n".join(lines)


def _facts(about: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in about:
        yield f"- {name}: `{text}`" if name == "command" else f"- {name}: {text}"


def shown(row: Row) -> str:
    """The value with as many digits as say something, and its unit."""
    if row.value is None:
        return "not defined"
    if isinstance(row.value, str):
        return f"{row.value} {row.unit}".strip()
    if isinstance(row.value, int):
        number = str(row.value)
    elif abs(row.value) >= 100:
        number = f"{row.value:.0f}"
    else:
        number = f"{row.value:.1f}" if abs(row.value) >= 10 else f"{row.value:.2f}"
    return f"{number} {row.unit}".strip()


def _verdict(row: Row) -> str:
    return "" if row.reached is None else "yes" if row.reached else "**no**"


def draw_growth(rows: Sequence[Row], path: Path) -> None:
    """Median time of a plan against what grows, one panel each, with the line through the first point and zero."""
    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.along and row.at is not None and isinstance(row.value, float | int):
            series.setdefault(row.along, []).append((row.at, row.value))
    mpl.use("Agg")
    figure = Figure(figsize=(7.0, 2.8), layout="constrained")
    for position, (along, points) in enumerate(series.items(), 1):
        axes = figure.add_subplot(1, len(series), position)
        sizes, seconds = zip(*sorted(points), strict=True)
        axes.plot(sizes, seconds, marker="o", label="measured")
        linear = [seconds[0] * size / sizes[0] for size in sizes]
        axes.plot(sizes, linear, linestyle=":", color="grey", label="linear")
        axes.set(xlabel=along, ylabel="time of a plan [s]", ylim=(0, None), xlim=(0, None))
        axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of the program in it, the same figures give the same file.
    figure.savefig(path, dpi=100, metadata={"Software": None})
