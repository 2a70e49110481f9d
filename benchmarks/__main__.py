"""`python -m benchmarks`: see `benchmarks.speed.command`."""

import sys

from benchmarks.speed.command import main

if __name__ == "__main__":
    sys.exit(main())
