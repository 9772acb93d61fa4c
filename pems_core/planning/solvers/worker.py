"""The child process of :class:`.guard.GuardedHighs`. It imports little, so that it is ready in a moment."""

import sys

from pems_core.child import serve

from .highs import Highs

if __name__ == "__main__":
    serve(int(sys.argv[1]), Highs().solve)
