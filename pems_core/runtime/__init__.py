"""A house that runs: cycles, commands, heartbeat, and the way out."""
