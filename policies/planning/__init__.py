"""Deciding for several workloads together: they share pools that may be too small for all that is wanted."""
