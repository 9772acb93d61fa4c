"""Node-RED in front of PEMS: what it needs, and running it."""

from .installed import FOLDER, NotInstalled, install, node, program
from .process import NodeRed

__all__ = ["FOLDER", "NodeRed", "NotInstalled", "install", "node", "program"]
