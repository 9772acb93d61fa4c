"""What others know: weather services, power exchanges and banks, asked sparingly; what they said is remembered."""
