"""A damaged database goes out of the way whole."""

from datetime import UTC, datetime
from pathlib import Path

from pems_core.set_aside import set_aside


def test_no_log_stays_behind_to_be_played_back_into_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    logs = ("", "-wal", "-journal")
    for ending in logs:
        path.with_name(path.name + ending).write_text(ending, encoding="utf-8")
    aside = set_aside(path, datetime(2025, 1, 14, 9, 30, tzinfo=UTC))
    assert aside.name == "store.sqlite3.damaged-20250114T093000Z"
    assert {file.name for file in tmp_path.iterdir()} == {aside.name + ending for ending in logs}
