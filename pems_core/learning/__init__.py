"""What a house teaches about itself: its rooms and its battery, identified from what was measured."""
