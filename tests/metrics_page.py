"""`python -m tests.metrics_page` writes the tables of docs/monitoring.md from the catalogue and the rules."""

from datetime import timedelta
from pathlib import Path

from pems_core.alerting.rules import RULES, Rule
from pems_core.recording.catalogue import CATALOGUE, Measurement

PAGE = Path(__file__).parents[1] / "docs" / "monitoring.md"
BEGIN, END = "<!-- made by python -m tests.metrics_page -->\n", "<!-- end -->"
BEGIN_RULES, END_RULES = "<!-- rules made by python -m tests.metrics_page -->\n", "<!-- end of rules -->"
MINUTES = timedelta(minutes=1)


def tables() -> str:
    """All measurements, each with its fields."""
    return "\n".join(_table(measurement) for measurement in CATALOGUE)


def _table(measurement: Measurement) -> str:
    tags = "; ".join(f"`{tag}`: {names}" for tag, names in measurement.tags.items())
    head = f"### `{measurement.name}`\n\n{measurement.about}, {measurement.when}.{f' Tags: {tags}.' if tags else ''}\n"
    rows = [f"| `{m.name}` | {m.unit} | {m.meaning.replace('|', chr(92) + '|')} |" for m in measurement.metrics]
    return "\n".join([head, "| Field | Unit | Meaning |", "|---|---|---|", *rows, ""])


def rewritten(page: str) -> str:
    """The page with the tables and rules as they are now."""
    with_tables = _between(page, BEGIN, tables(), END)
    return _between(with_tables, BEGIN_RULES, "\n".join(map(_rule, RULES)), END_RULES)


def _between(page: str, begin: str, made: str, end: str) -> str:
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{made}\n{end}{rest.partition(end)[2]}"


def _rule(rule: Rule) -> str:
    begins, ends = rule.begins_after / MINUTES, rule.ends_after / MINUTES
    when = f"Told after {begins:g} min, over after {ends:g} min."
    heading = rule.name.replace("_", " ").capitalize()
    return f"### {heading}\n\n{rule.about}. {when}\n\nWhat to do: {rule.todo}\n"


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
