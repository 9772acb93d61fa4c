"""From what is wanted to what a device does: overrides, guard, life of a command, emergency stop."""
