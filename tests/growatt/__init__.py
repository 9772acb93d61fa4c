"""The Growatt plugin over Modbus."""
