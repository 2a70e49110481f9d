"""``python -m tests.fuzz``, in the repository's root: see `command`."""

import sys

from tests.fuzz.command import main

sys.exit(main())
