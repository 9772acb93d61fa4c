"""The two nodes of a planned room over one step, against the general matrix exponential."""

from datetime import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from pems_core.domain import ComfortBand, ComfortSchedule, HeatingSpec, RoomSpec
from pems_core.planning.parts.thermal import RoomNetwork

ALWAYS = ComfortSchedule(((time(0), ComfortBand(21.0, 20.0, 22.0)),), "UTC")


@given(
    air_kwh_per_k=st.floats(0.05, 3.0),
    slab_kwh_per_k=st.floats(0.1, 20.0),
    slab_to_air=st.floats(0.01, 1.0),
    loss=st.one_of(st.just(0.0), st.floats(1e-4, 0.5)),
    length_h=st.floats(0.002, 100.0),
)
def test_a_step_is_the_exponential_of_the_dynamics(
    air_kwh_per_k: float, slab_kwh_per_k: float, slab_to_air: float, loss: float, length_h: float
) -> None:
    room = RoomSpec("kitchen", 1.8, ALWAYS, air_kwh_per_k, slab_kwh_per_k, slab_to_air, loss)
    step = RoomNetwork.of(HeatingSpec((room,), 1.0, 5.0)).step(room, length_h)
    dynamics = np.zeros((4, 4))
    dynamics[0] = [-(slab_to_air + loss) / air_kwh_per_k, slab_to_air / air_kwh_per_k, 1 / air_kwh_per_k, 0]
    dynamics[1] = [slab_to_air / slab_kwh_per_k, -slab_to_air / slab_kwh_per_k, 0, 1 / slab_kwh_per_k]
    air, slab = expm(dynamics * length_h)[:2]
    assert [step.air_air, step.air_slab, step.air_gain, step.air_heat] == pytest.approx(air, rel=1e-8, abs=1e-12)
    assert [step.slab_air, step.slab_slab, step.slab_gain, step.slab_heat] == pytest.approx(slab, rel=1e-8, abs=1e-12)
