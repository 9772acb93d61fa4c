"""A house that answers with physics, and the series it lives on."""
