"""Profiles that are shipped: data, and the module that reads it."""
