"""``python -m urlsweep``."""

import sys

from urlsweep.cli import main

if __name__ == "__main__":
    sys.exit(main())
