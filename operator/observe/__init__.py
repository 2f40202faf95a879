"""Observe: Prometheus and the cluster become one FleetSnapshot; what is not known is typed, never zero."""
