"""From state and forecasts to a checked plan: model, solve, verify, fall back, explain."""
