"""Physics that every brand shares, as parts of the dispatch model and as execution models."""
