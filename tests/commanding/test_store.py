"""What survives: kill -9 at any moment, a locked file, a full disk, a damaged file."""

import contextlib
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pems_core.clock import FastClock
from pems_core.commanding import EmergencyStop, Store, StoredWearBook, StoreInUse, StoreUnreadable, engine_alive
from pems_core.commanding.wear import changed_settings
from pems_core.domain import Horizon, Plan, Reason, Rung
from pems_core.domain.plan_json import plan_from_json, plan_to_json
from pems_core.transport.lines import Change

START = datetime(2025, 1, 15, 10, tzinfo=UTC)
ROUNDS = 100


def clock() -> FastClock:
    return FastClock(START, 1.0)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process holds the database for itself."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    run = [sys.executable, "-c", script, str(path)]
    other = subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    try:
        yield
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
        assert other.stdin is not None
        other.stdin.close()


def count_and_keep(folder: Path, first: int, told: int) -> None:
    """Count writes and set overrides as fast as possible, telling of each once it is done."""
    store = Store(folder, clock())
    wear = StoredWearBook(store, clock(), 10**6, 10**6)
    for number in itertools.count(first):
        wear.spend("inverter", ["holding/1090"])
        os.write(told, b"w")
        store.keep("override", "inverter/mode", number)
        os.write(told, b"o")


def killed_at_random(folder: Path, first: int, after_s: float) -> bytes:
    """What a child had done when it was killed."""
    reading, telling = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            count_and_keep(folder, first, telling)
        finally:
            os._exit(1)
    os.close(telling)
    with os.fdopen(reading, "rb") as told:
        begun = told.read(1)
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
        rest = told.read()
    os.waitpid(child, 0)
    return begun + rest


def test_no_count_and_no_override_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """A child that counts and sets overrides is killed a hundred times at random moments."""
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    writes, kept = 0, 0
    for _ in range(ROUNDS):
        told = killed_at_random(tmp_path, kept + 1, chance.uniform(0.0, 0.02))
        with Store(tmp_path, clock()) as store:
            counted = store.counted("write", "inverter", "holding/1090")
            override = store.kept("override").get("inverter/mode", 0)
        assert writes + told.count(b"w") <= counted <= writes + told.count(b"w") + 1
        assert kept + told.count(b"o") <= override <= kept + told.count(b"o") + 1
        writes, kept = counted, override
    assert kept > ROUNDS


def test_what_a_setting_was_before_pems_outlives_a_restart(tmp_path: Path) -> None:
    with Store(tmp_path, clock()) as store:
        wear = StoredWearBook(store, clock())
        wear.note_changed("inverter", "holding/608", Change(20, 50))
        wear.note_changed("inverter", "holding/608", Change(50, 40))
    with Store(tmp_path, clock(), writing=False) as store:
        assert changed_settings(store, "inverter") == {"holding/608": Change(20, 40)}, "the guard reads it beside"
    with Store(tmp_path, clock()) as store:
        StoredWearBook(store, clock()).put_back("inverter", "holding/608")
    with Store(tmp_path, clock()) as store:
        assert not StoredWearBook(store, clock()).changed("inverter")


def test_an_emergency_stop_outlives_a_restart(tmp_path: Path) -> None:
    with Store(tmp_path, clock()) as store:
        EmergencyStop(store, clock()).stop("Ann", "smoke")
    with Store(tmp_path, clock()) as store:
        emergency = EmergencyStop(store, clock())
        assert emergency.latch is not None
        assert (emergency.latch.by, emergency.latch.reason) == ("Ann", "smoke")
        emergency.reset("Ann")
    with Store(tmp_path, clock()) as store:
        assert not EmergencyStop(store, clock()).stopped


def test_the_first_who_stops_stays_on_record(tmp_path: Path) -> None:
    with Store(tmp_path, clock()) as store:
        emergency = EmergencyStop(store, clock())
        emergency.stop("Ann", "smoke")
        assert emergency.stop("Bob", "noise").by == "Ann"


def test_goes_on_in_memory_while_another_process_holds_the_file(tmp_path: Path) -> None:
    with Store(tmp_path, clock()) as store:
        with held(tmp_path / "pems.sqlite3"):
            begun = time.perf_counter()
            for number in range(50):
                store.keep("override", "inverter/mode", number)
            assert time.perf_counter() - begun < 2.0, "only the first write waits"
            assert store.kept("override") == {"inverter/mode": 49}
            assert store.pending == 50
            assert "locked" in store.alerts[0].text
        assert store.flush()
        assert not store.alerts
    with Store(tmp_path, clock()) as again:
        assert again.kept("override") == {"inverter/mode": 49}


def test_begins_when_another_process_has_put_the_file_in_order(tmp_path: Path) -> None:
    """After a kill the guard looks into the file at the same moment as the next engine, and locks it for that."""
    with Store(tmp_path, clock()) as store:
        store.keep("override", "inverter/mode", 1)
    script = (
        "import os, sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA locking_mode = EXCLUSIVE');"
        "c.execute('UPDATE facts SET value = 2'); c.execute('BEGIN EXCLUSIVE');"
        "print('held', flush=True); time.sleep(1.0); os._exit(0)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "pems.sqlite3")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with Store(tmp_path, clock()) as again:
            assert again.kept("override") == {"inverter/mode": 2}


def test_what_waited_is_written_by_the_next_write_in_order(tmp_path: Path) -> None:
    with Store(tmp_path, clock()) as store:
        with held(tmp_path / "pems.sqlite3"):
            store.keep("override", "inverter/mode", "first")
            store.forget("override", "inverter/mode")
            store.keep("override", "inverter/mode", "last")
        store.count("write", "inverter", ["holding/1"])
        assert store.pending == 0
    with Store(tmp_path, clock()) as again:
        assert again.kept("override") == {"inverter/mode": "last"}
        assert again.counted("write", "inverter", "holding/1") == 1


def test_starts_while_another_process_writes(tmp_path: Path) -> None:
    with Store(tmp_path, clock()) as store:
        store.keep("override", "inverter/mode", 1)
    with held(tmp_path / "pems.sqlite3"), Store(tmp_path, clock()) as store:
        assert store.kept("override") == {"inverter/mode": 1}


def test_goes_on_in_memory_when_the_disk_is_full(tmp_path: Path) -> None:
    with Store(tmp_path, clock()) as store:
        connection = store._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        for number in range(100):
            store.keep("override", f"inverter/{number}", "x" * 1000)
        assert "full" in store.alerts[0].text
        assert len(store.kept("override")) == 100
        connection.execute("PRAGMA max_page_count = 1000000")
        assert store.flush()
        assert not store.alerts
    with Store(tmp_path, clock()) as again:
        assert len(again.kept("override")) == 100


@pytest.mark.parametrize("damage", ["scribbled", "cut", "no database"])
def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "pems.sqlite3"
    with Store(tmp_path, clock()) as store:
        for number in range(200):
            store.keep("override", f"inverter/{number}", "x" * 500)
    content = bytearray(path.read_bytes())
    if damage == "scribbled":
        content[4096:] = os.urandom(len(content) - 4096)
    elif damage == "cut":
        content = content[: len(content) // 2]
    else:
        content = bytearray(b"something else entirely" * 1000)
    path.write_bytes(content)
    with Store(tmp_path, clock()) as store:
        assert "set aside" in store.alerts[0].text
        assert not store.kept("override")
        store.keep("override", "inverter/mode", 1)
    assert [aside.read_bytes() for aside in tmp_path.glob("*damaged*Z")] == [bytes(content)]
    with Store(tmp_path, clock()) as store:
        assert store.kept("override") == {"inverter/mode": 1}


def test_a_file_that_is_damaged_in_use_is_begun_anew_with_what_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "pems.sqlite3"
    with Store(tmp_path, clock()) as store:
        store.keep("override", "inverter/mode", "kept")
        store.count("write", "inverter", ["holding/1"])
        for number in range(200):
            store.keep("filling", str(number), "x" * 500)
        store._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(0)
            file.write(os.urandom(size))
        store._database._connection.execute("PRAGMA shrink_memory")
        for number in range(200):
            store.keep("filling", str(number), "y" * 500)
        assert "set aside" in store.alerts[0].text
    with Store(tmp_path, clock()) as again:
        assert again.kept("override") == {"inverter/mode": "kept"}
        assert again.counted("write", "inverter", "holding/1") == 1
        assert again.kept("filling")["199"] == "y" * 500


def test_a_file_of_a_newer_pems_is_left_alone(tmp_path: Path) -> None:
    with Store(tmp_path, clock()):
        pass
    with sqlite3.connect(tmp_path / "pems.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreUnreadable, match="newer PEMS"):
        Store(tmp_path, clock())
    assert not list(tmp_path.glob("*damaged*"))


def test_only_one_process_writes_and_others_can_tell(tmp_path: Path) -> None:
    assert not engine_alive(tmp_path)
    with Store(tmp_path, clock()) as store:
        assert engine_alive(tmp_path)
        with pytest.raises(StoreInUse):
            Store(tmp_path, clock())
        store.keep("override", "inverter/mode", 1)
        looking = Store(tmp_path, clock(), writing=False)
        assert looking.kept("override") == {"inverter/mode": 1}
        looking.close()
        assert engine_alive(tmp_path)
    assert not engine_alive(tmp_path)


def test_history_is_read_as_a_frame_of_the_last_days(tmp_path: Path) -> None:
    with Store(tmp_path, clock()) as store:
        store.add_history(START - timedelta(days=3), {"pv_kw": 9.0})
        store.add_history(START - timedelta(minutes=30), {"pv_kw": 1.0, "base_load_kw": 0.4})
        store.add_history(START - timedelta(minutes=15), {"pv_kw": 2.0})
        frame = store.history(2)
        assert list(frame["pv_kw"]) == [1.0, 2.0]
        assert frame.index[0] == START - timedelta(minutes=30)
        assert frame["base_load_kw"].isna().sum() == 1


def test_counts_of_a_day_begin_anew_at_midnight_utc(tmp_path: Path) -> None:
    late = FastClock(datetime(2025, 1, 15, 23, 59, 59, 900_000, tzinfo=UTC), 1.0)
    with Store(tmp_path, late) as store:
        store.count("write", "inverter", ["holding/1"])
        assert store.counted("write", "inverter", "holding/1") == 1
        time.sleep(0.15)
        assert store.counted("write", "inverter", "holding/1") == 0


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    horizon = Horizon.lengthening(START + timedelta(minutes=7), timedelta(hours=3), timedelta(hours=1))
    steps = horizon.steps
    plan = Plan(
        horizon,
        {"grid.import_kw": tuple(0.1 * t / 3 for t in range(steps))},
        {"inverter": ("load_first",) * steps},
        {"inverter.soc": (0.1 + 0.2,) * steps},
        {"bill": 1.1, "stored": -0.3},
        stored=("stored",),
        rung=Rung.SOLVER,
        made_at=START,
        valid_until=START + timedelta(hours=1),
        prices={"import_price_per_kwh": (1e-17,) * steps},
        binary_steps=3,
        bound=0.7,
        marginal_value_per_kwh=(0.25,) * steps,
        reasons={"inverter": (Reason("cheap night", 1.12, START, START + timedelta(hours=1)), Reason("always"))},
        solve_s=1.5,
        detail="first",
    )
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan
    bare = replace(plan, bound=None, executed_cost=3.5, reasons={}, stored=())
    with Store(tmp_path, clock()) as store:
        assert store.last_plan() is None
        store.keep_plan(bare)
    with Store(tmp_path, clock()) as store:
        assert store.last_plan() == bare


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte; skips the test where none may be mounted, except in CI, where one must be."""
    place = tmp_path / "disk"
    place.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    mount = [*as_root, "/usr/bin/mount", "-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs", str(place)]
    why = refused(mount)
    if why:
        told = f"no small disk may be mounted here ({why})"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(f"{told}; the page limit above stands in for it")
    yield place
    subprocess.run([*as_root, "/usr/bin/umount", str(place)], check=True)


def refused(command: list[str]) -> str:
    """Run a command; why it failed, empty if it did not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        return str(missing)
    return done.stderr.strip() or f"status {done.returncode}" if done.returncode else ""


def fill(disk: Path) -> Path:
    filling = disk / "filling"
    with filling.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filling


def test_a_disk_that_fills_up_costs_nothing_once_it_has_room_again(small_disk: Path) -> None:
    with Store(small_disk, clock()) as store:
        store.keep("override", "inverter/mode", "before")
        filling = fill(small_disk)
        for number in range(100):
            store.keep("override", f"inverter/{number}", "x" * 2000)
        assert store.alerts
        assert len(store.kept("override")) == 101
        filling.unlink()
        assert store.flush()
        assert not store.alerts
    with Store(small_disk, clock()) as again:
        assert len(again.kept("override")) == 101


def test_starts_on_a_full_disk_with_all_that_was_kept(small_disk: Path) -> None:
    with Store(small_disk, clock()) as store:
        store.keep("override", "inverter/mode", "before")
    filling = fill(small_disk)
    with Store(small_disk, clock()) as store:
        assert store.kept("override") == {"inverter/mode": "before"}
        store.keep("override", "inverter/grid_export", False)
        assert "1 writes wait" in store.alerts[0].text
        filling.unlink()
        assert store.flush()
        assert not store.alerts
    with Store(small_disk, clock()) as again:
        assert len(again.kept("override")) == 2
