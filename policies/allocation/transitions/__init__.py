"""From the replicas that run to those of a plan: fewer changes, earlier ones, and in an order that keeps serving.

`grid` steadies the demand, `peak` and `ahead` look as far as a start takes, `near` picks of the good plans the one
nearest to what runs, and `steps` goes there.
"""
