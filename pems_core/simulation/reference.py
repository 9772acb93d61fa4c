"""Place and roof of the reference house."""

from pems_core.domain import PvArray

LATITUDE = 49.2
LONGITUDE = 16.6
TIMEZONE = "Europe/Prague"
ARRAYS = (PvArray(7.0, 35.0, 226.0), PvArray(6.5, 35.0, 136.0))
YEARLY_LOAD_KWH = 4000.0
"""Base load without heating and car."""
