"""What only shows in many messages, many deaths or many hours."""
