"""What a simulated OpenInverterGateway publishes, and from which registers (protocols A.2, A.4 and B.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pems_core.transport.lines import Space

Build = Literal["124", "307", "3000"]


@dataclass(frozen=True, slots=True)
class Field:
    """One name in the telemetry."""

    name: str
    address: int
    words: int = 1
    scale: float = 1
    space: Space = "input"
    signed: bool = False
    mask: int | None = None
    shift: int = 0


def tenths(name: str, address: int, words: int = 2, *, signed: bool = False) -> Field:
    return Field(name, address, words, 0.1, signed=signed)


def setting(name: str, address: int) -> Field:
    return Field(name, address, space="holding")


def today_and_total(name: str, address: int) -> tuple[Field, Field]:
    return tenths(f"{name}Today", address), tenths(f"{name}Total", address + 2)


BUILD_124: Sequence[Field] = (
    Field("InverterStatus", 0),
    tenths("InputPower", 1),
    tenths("PV1Voltage", 3, 1),
    tenths("PV1InputCurrent", 4, 1),
    tenths("PV1InputPower", 5),
    tenths("PV2Voltage", 7, 1),
    tenths("PV2InputCurrent", 8, 1),
    tenths("PV2InputPower", 9),
    tenths("OutputPower", 35, signed=True),
    Field("GridFrequency", 37, scale=0.01),
    tenths("L1ThreePhaseGridVoltage", 38, 1),
    tenths("TodayGenerateEnergy", 53),
    tenths("TotalGenerateEnergy", 55),
    tenths("PV1EnergyToday", 59),
    tenths("PV1EnergyTotal", 61),
    tenths("PVEnergyTotal", 91),
    tenths("InverterTemperature", 93, 1),
    tenths("DischargePower", 1009),
    tenths("ChargePower", 1011),
    tenths("BatteryVoltage", 1013, 1),
    Field("SOC", 1014),
    tenths("ACPowerToUser", 1015),
    tenths("ACPowerToUserTotal", 1021),
    tenths("ACPowerToGrid", 1023),
    tenths("ACPowerToGridTotal", 1029),
    tenths("INVPowerToLocalLoad", 1031),
    tenths("INVPowerToLocalLoadTotal", 1037),
    tenths("BatteryTemperature", 1040, 1),
    Field("BatteryState", 1041),
    *today_and_total("EnergyToUser", 1044),
    *today_and_total("EnergyToGrid", 1048),
    *today_and_total("DischargeEnergy", 1052),
    *today_and_total("ChargeEnergy", 1056),
    *today_and_total("LocalLoadEnergy", 1060),
    setting("ActivePowerRate", 3),
)
BUILD_307: Sequence[Field] = (
    *BUILD_124,
    Field("CurrentMode", 118),
    setting("ExportLimitFlag", 122),
    Field("ExportLimitValue", 123, scale=0.1, space="holding", signed=True),
    setting("GridFirstPwrRate", 1070),
    setting("GridFirstSOC", 1071),
    setting("BattFirstPwrRate", 1090),
    setting("BattFirstSOC", 1091),
    setting("BattFirstACChrg", 1092),
)
BUILD_3000: Sequence[Field] = (
    Field("InverterStatus", 3000, mask=0x00FF),
    Field("InverterRunState", 3000, mask=0xFF00, shift=8),
    tenths("PVTotalPower", 3001),
    tenths("PV1Power", 3005),
    tenths("SystemOutputPower", 3019, signed=True),
    tenths("OutputPower", 3023, signed=True),
    Field("GridFrequency", 3025, scale=0.01),
    tenths("TotalForwardPower", 3041, signed=True),
    tenths("TotalReversePower", 3043, signed=True),
    tenths("TotalLoadPower", 3045, signed=True),
    tenths("PVEnergyTotal", 3053),
    tenths("TotalEnergyToUser", 3069),
    tenths("TotalEnergyToGrid", 3073),
    tenths("TotalEnergyOfUserLoad", 3077),
    Field("DeratingMode", 3086),
    Field("InverterFaultMaincode", 3105),
    Field("InverterWarnMaincode", 3106),
    *today_and_total("DischargeEnergy", 3125),
    *today_and_total("ChargeEnergy", 3129),
    Field("Priority", 3144),
    Field("BDCStateOfCharge", 3171),
    tenths("BDCDischargePower", 3178),
    tenths("BDCChargePower", 3180),
    setting("ActivePowerRate", 3),
    setting("BDCDischargePowerRate", 3036),
    setting("BDCDischargeStopSOC", 3037),
    setting("BDCChargePowerRate", 3047),
    setting("BDCChargeStopSOC", 3048),
    setting("BDCChargeACEnabled", 3049),
)
TELEMETRY: Mapping[Build, Sequence[Field]] = {"124": BUILD_124, "307": BUILD_307, "3000": BUILD_3000}
