"""Operations on any `nn.Module`: run it undisturbed, unwrap it, hook it, time it."""

from stripe.modules.undisturbed import undisturbed as undisturbed
