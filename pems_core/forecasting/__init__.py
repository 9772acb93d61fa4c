"""What every house needs to look ahead: the sun, and a chain of forecasters."""
