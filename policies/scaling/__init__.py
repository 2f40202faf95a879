"""Replica counts: capacity, need, expected loss, guards and their words."""
