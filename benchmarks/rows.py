"""One measured figure, the bar it has to reach, and the file that keeps it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OPERATORS = ("<", "<=", ">", ">=", "=")


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure has to be.

    >>> Bar("<", 5.0).holds(4.9), Bar(">=", 92.0).holds(91.9)
    (True, False)
    """

    operator: str
    limit: float

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise ValueError(f"operator is {self.operator!r}; allowed: {', '.join(OPERATORS)}")

    def holds(self, value: float) -> bool:
        if self.operator == "=":
            return value == self.limit
        if self.operator.startswith("<"):
            return value < self.limit or (self.operator == "<=" and value == self.limit)
        return value > self.limit or (self.operator == ">=" and value == self.limit)

    def __str__(self) -> str:
        return f"{self.operator} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """A figure. `value` is None where it is not defined, such as a share of nothing."""

    name: str
    value: float | str | None
    unit: str = ""
    bar: Bar | None = None
    along: str = ""
    """What grows in a series of measurements, such as rooms; with `at` it makes a point of the picture."""
    at: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the bar is reached; None without a bar. What is not defined reaches none."""
        if self.bar is None:
            return None
        return isinstance(self.value, float | int) and self.bar.holds(self.value)


@dataclass(frozen=True)
class Results:
    """All figures of one benchmark, with where they come from."""

    benchmark: str
    about: Mapping[str, str]
    """Command, machine, versions, source of the series and of the code."""
    rows: Sequence[Row]


def save(results: Results, folder: Path) -> None:
    """Write or replace the file of a benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{results.benchmark}.json"
    # Written whole and then moved, so that a stopped run leaves the last whole file.
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(asdict(results), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)


def load(path: Path) -> Results:
    content = json.loads(path.read_text(encoding="utf-8"))
    return Results(content["benchmark"], content["about"], tuple(_row(row) for row in content["rows"]))


def _row(content: dict[str, Any]) -> Row:
    bar = content.pop("bar")
    return Row(**content, bar=Bar(**bar) if bar else None)
