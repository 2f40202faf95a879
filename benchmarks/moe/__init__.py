"""Mixture-of-experts models: plans, decisions, and the reference runtime, measured."""
