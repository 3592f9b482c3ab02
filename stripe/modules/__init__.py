"""Operations on any `nn.Module`; `undisturbed`, which runs it and restores it, is public."""

from stripe.modules.undisturbed import undisturbed as undisturbed
