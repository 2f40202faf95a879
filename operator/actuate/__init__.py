"""Writes: everything that changes the cluster, each one fenced by the lease."""
