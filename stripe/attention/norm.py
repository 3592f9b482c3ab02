"""A batch norm that also accepts a batch of one in training."""

from torch import Tensor, nn
from torch.nn import functional as F


class VectorBatchNorm(nn.BatchNorm1d):
    """Normalise vectors (B, C) over the batch, or a batch of one by the running statistics.

    A batch of one has no variance, so `nn.BatchNorm1d` raises an error in training. The psi of an
    ASR is always a batch of one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised vectors."""
        if self.training and len(x) == 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)
