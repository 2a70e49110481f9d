"""Adds the state of every link to a spreadsheet: CSV in, the same CSV with more columns out.

    python examples/csv_enrich.py customers.csv Website customers-checked.csv

The command line does it all, from a program too: rows keep their order and their own columns.
"""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path


def main(source: str, column: str, destination: str) -> int:
    """Check the URLs in `column` of `source` and write `destination`; 0 unless the spreadsheet could not be read."""
    ran = subprocess.run(
        [sys.executable, "-m", "urlsweep", "check", source, "--column", column, "-o", destination, "--quiet"],
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if ran.returncode > 1:  # 1 means that links are broken, which is what the spreadsheet is to tell
        return ran.returncode
    with Path(destination).open(newline="", encoding="utf-8") as stream:
        outcomes = Counter(row["outcome"] for row in csv.DictReader(stream))
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
