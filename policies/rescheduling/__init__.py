"""Rescheduling: the best N moves of what runs already, in an order that is safe, and a bound on what they can gain."""
