"""`pems demo` as a person starts it."""

import re
import subprocess
import sys

import pytest

from pems_core.nodered import NotInstalled, program


def nodered_installed() -> bool:
    try:
        program()
    except NotInstalled:
        return False
    return True


@pytest.mark.slow
def test_the_demo_lives_half_an_hour_and_gives_its_devices_back() -> None:
    run = [sys.executable, "-m", "pems_core.cli", "demo", "--hours", "0.5", "--speed", "60"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mosquitto_sub -p" in done.stdout
    assert ("Pages: http://" if nodered_installed() else "Without pages: ") in done.stdout
    assert re.search(r"^Tue 1[45]:\d\d", done.stdout, re.MULTILINE), done.stdout
    assert "inverter: given back to its own control" in done.stdout
    assert "heating: given back to its own control" in done.stdout
