"""Devices in physical terms. A plugin derives from one of these and adds its brand: points, modes, encodings."""

from .flexible_load import FlexibleLoadDevice
from .heated_rooms import HeatedRoomsDevice
from .hybrid_inverter import HybridInverterDevice
from .pv_plant import PvPlant

__all__ = ["FlexibleLoadDevice", "HeatedRoomsDevice", "HybridInverterDevice", "PvPlant"]
