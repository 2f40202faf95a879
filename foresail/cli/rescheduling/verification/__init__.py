"""Replays of plans on the instance that they are for. Shares no code with what makes plans."""
