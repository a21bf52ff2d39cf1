"""`python -m speechnas_lab` is the command `speechnas`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
