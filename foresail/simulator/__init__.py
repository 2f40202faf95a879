"""Simulated inference servers, fed from a trace; whatever shows them calls them simulated."""
