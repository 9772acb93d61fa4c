"""`python -m tests.metrics_page` writes the tables of docs/monitoring.md from the catalogue of metrics."""

from pathlib import Path

from pems_core.recording.catalogue import CATALOGUE, Measurement

PAGE = Path(__file__).parents[1] / "docs" / "monitoring.md"
BEGIN, END = "<!-- made by python -m tests.metrics_page -->\n", "<!-- end -->"


def tables() -> str:
    """All measurements, each with its fields."""
    return "\n".join(_table(measurement) for measurement in CATALOGUE)


def _table(measurement: Measurement) -> str:
    tags = "; ".join(f"`{tag}`: {names}" for tag, names in measurement.tags.items())
    head = f"### `{measurement.name}`\n\n{measurement.about}, {measurement.when}.{f' Tags: {tags}.' if tags else ''}\n"
    rows = [f"| `{m.name}` | {m.unit} | {m.meaning.replace('|', chr(92) + '|')} |" for m in measurement.metrics]
    return "\n".join([head, "| Field | Unit | Meaning |", "|---|---|---|", *rows, ""])


def rewritten(page: str) -> str:
    """The page with the tables as they are now."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
