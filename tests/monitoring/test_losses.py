"""What was lost is told, and not forever."""

from datetime import UTC, datetime

from pems_core.domain import Severity
from pems_core.recording.losses import Losses
from tests.devices.clocks import HandClock

BEGAN = datetime(2025, 1, 15, tzinfo=UTC)


def test_what_was_lost_is_one_alert_until_nothing_was_lost_for_a_day() -> None:
    clock = HandClock(BEGAN)
    lost = Losses(clock, "influxdb", Severity.CRITICAL, lambda count: f"{count} points were lost")
    assert lost.alerts == []
    for _ in range(3):
        lost.add(100)
        clock.pass_by(hours=20)
    [alert] = lost.alerts
    assert (alert.text, alert.since) == ("300 points were lost", BEGAN)

    clock.pass_by(hours=5)
    assert lost.alerts == []
    lost.add(5)
    [alert] = lost.alerts
    assert (alert.text, alert.since) == ("5 points were lost", clock.now())
