"""`python -m stripe`, as torchrun starts it."""

from stripe.cli import main

main()
