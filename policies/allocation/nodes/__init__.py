"""Placing replicas on nodes: what still fits, where it strands the least, and why something does not fit."""
