"""Measurements: one command, medians, CPU seconds and peak memory."""
