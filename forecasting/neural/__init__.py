"""What is trained: the conditional normalizing flow and the prior over workloads. Only this part imports torch."""

import torch

torch.set_num_threads(1)  # tensors are small here: a second thread only waits, and sums in another order
