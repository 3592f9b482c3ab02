"""The command `stripe`, also as `python -m stripe`, which torchrun starts."""

import sys


def main() -> None:
    """Run the command; Ctrl-C during its imports ends it in one line, as it does later."""
    try:
        from stripe.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted: nothing was kept; the same command begins again\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
