"""Foresail scales model servers before the demand arrives, and says why."""

__version__ = "0.1.0"
