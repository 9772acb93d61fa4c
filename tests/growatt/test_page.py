"""The page on Growatt says what is so."""

import pytest
from pems_growatt.config import GrowattSection
from pems_growatt.words import NAMES

from tests.growatt.page import PAGE, renewed

TEXT = PAGE.read_text(encoding="utf-8")


def test_its_tables_are_those_of_the_registers() -> None:
    assert renewed(TEXT) == TEXT, "renew it with: python -m tests.growatt.page"


@pytest.mark.parametrize("word", NAMES)
def test_every_word_is_told(word: str) -> None:
    assert f"`{word}`" in TEXT


LIVE = ("transport", "topic", "grott_topic", "url", "unit", "family", "poll_s", "spacing_s", "clock_sync")
LIVE_TOO = ("reserve_register_checked", "writes_per_day", "writes_hard")


@pytest.mark.parametrize("key", [*LIVE, *LIVE_TOO])
def test_every_key_of_the_connection_is_told(key: str) -> None:
    assert key in GrowattSection.model_fields
    assert f"`{key}`" in TEXT
