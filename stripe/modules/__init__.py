"""Operations on any `nn.Module`; `undisturbed`, which restores it after a block, is public."""

from stripe.modules.undisturbed import undisturbed as undisturbed
