"""Models of any series, and their evaluation by rolling origin: what `foresail forecast` does."""
