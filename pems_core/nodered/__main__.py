"""`python -m pems_core.nodered [--development]` installs Node-RED, as `make nodered` has it."""

import sys

from .installed import NotInstalled, install

if __name__ == "__main__":
    try:
        install(development="--development" in sys.argv[1:])
    except NotInstalled as fault:
        sys.exit(str(fault))
