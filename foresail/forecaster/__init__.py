"""The forecaster: a service of its own that trains in the background and answers forecasts over HTTP."""
