"""Mixture-of-experts models: where experts go, how that is done in safe waves, and how many GPUs they should have."""
