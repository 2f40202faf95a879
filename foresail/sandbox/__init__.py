"""A real Kubernetes control plane and Prometheus on a laptop, with simulated nodes and engines."""
