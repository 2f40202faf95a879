"""The read-only service: health, metrics, and the last decision of every object."""
