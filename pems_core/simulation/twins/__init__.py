"""Physical twins of the devices of a house, stepped minute by minute; they know nothing of plans."""
