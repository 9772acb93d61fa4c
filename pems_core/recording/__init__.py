"""What happened, kept: metrics as points, and where they go."""
