"""Simulated devices as real servers, driven by the physics of the simulated house."""
