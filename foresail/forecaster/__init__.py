"""The forecaster: a service that trains a flow for each workload in the background, and forecasts with those."""
