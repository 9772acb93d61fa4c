"""Which alerts matter, when they are told, and to whom: rules, judgement, letters."""
