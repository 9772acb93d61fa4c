"""What authors of plugins test their work with."""

from .device_contract import DEVICE_CONTRACT, ContractBroken, DeviceCase

__all__ = ["DEVICE_CONTRACT", "ContractBroken", "DeviceCase"]
