"""What is trained: the conditional normalizing flow and the prior over workloads. Only this part imports torch."""
