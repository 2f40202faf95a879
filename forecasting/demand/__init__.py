"""What forecasts the demand of a workload in every cycle: the mixture that needs no training, its gate, its paths."""
