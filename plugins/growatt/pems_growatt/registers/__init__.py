"""The registers of each family, as data."""

from collections.abc import Mapping

from . import spa, sph, tl_xh, vpp
from .points import GROUPS, STATES, UNITS, Kind, Memory, Point, Table

TABLES: Mapping[str, Table] = {table.family: table for table in (sph.TABLE, spa.TABLE, tl_xh.TABLE, vpp.TABLE)}

__all__ = ["GROUPS", "STATES", "TABLES", "UNITS", "Kind", "Memory", "Point", "Table"]
