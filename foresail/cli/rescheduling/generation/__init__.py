"""Instances that are made up from openly stated statistics; the same seed makes the same instance."""
