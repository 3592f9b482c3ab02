"""What is done to any `nn.Module`: leave it undisturbed, unwrap it, hook it, time it."""

from stripe.modules.undisturbed import undisturbed as undisturbed
