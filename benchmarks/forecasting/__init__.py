"""How good forecasts are: public series, every test row forecast from its true past, rivals in the same run."""
