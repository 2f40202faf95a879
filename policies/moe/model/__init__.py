"""What the config of a model says: names of fields, layers, caches, quantisation, weights; one file an idea."""
