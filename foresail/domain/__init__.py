"""The shared vocabulary: frozen dataclasses and numpy, no I/O, no clock, no logging."""
