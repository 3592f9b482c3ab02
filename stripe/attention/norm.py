"""A batch norm that a single sample does not break."""

from torch import Tensor, nn
from torch.nn import functional as F


class VectorBatchNorm(nn.BatchNorm1d):
    """Normalise vectors (B, C) over the batch; a batch of one by its running statistics.

    One value per channel has no variance, and `nn.BatchNorm1d` refuses it in training. It comes
    from a batch of one image, and always from the psi of an ASR.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised vectors."""
        if self.training and len(x) == 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)
