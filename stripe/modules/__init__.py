"""Run any `nn.Module` in evaluation mode, and restore its modes and the random generators."""

from stripe.modules.undisturbed import undisturbed as undisturbed
