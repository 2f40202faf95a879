"""Sharing the GPUs of the cluster among workloads."""
