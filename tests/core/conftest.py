"""The simulated internet is no part of the package: the benchmarks are imported from the repository's root."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
