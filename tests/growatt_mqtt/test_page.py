"""The page for the reader names what the code reads and writes."""

from pathlib import Path

import pytest
from pems_growatt.grott import RECORD
from pems_growatt.oig_telemetry import TABLES
from pems_growatt.oig_words import REGISTERS_OF_BUILD_124, REGISTERS_OF_BUILD_3000

PAGE = (Path(__file__).parents[2] / "docs" / "devices" / "growatt_mqtt.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("build", list(TABLES))
def test_names_each_field_beside_its_reading(build: str) -> None:
    for entry in TABLES[build]:
        row = next(line for line in PAGE.splitlines() if line.startswith("| `") and f"`{entry.point}`" in line)
        assert all(f"`{name}`" in row for name in entry.names)


def test_names_each_value_of_grott_beside_its_reading() -> None:
    for name, point, *_ in RECORD:
        assert any(f"`{point}`" in line and line.endswith(f"`{name}` |") for line in PAGE.splitlines())


def test_names_each_word_with_its_register() -> None:
    for word, (register, _) in REGISTERS_OF_BUILD_124.items():
        other, other_register = REGISTERS_OF_BUILD_3000[word]
        assert f"| `{word}`: {register} | `{other}`: {other_register} |" in PAGE
