"""How many URLs each host of a list has: a real list's own counts, or a shape fitted to one.

Contract: pure but for `sizes_of_list`, which reads its file. Sizes come largest first.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from urlsweep.core.urls import Url, parse

GIANTS: Final = (0.421, 0.125, 0.037)
"""The shares of the three largest hosts. In Debian's 29,790 homepages, on 7,224 hosts and ports, they are github.com
with 12,553, metacpan.org with 3,714 and cran.r-project.org with 1,097; no smooth law comes near to all three."""

EXPONENT: Final = 1.1
SHIFT: Final = 3.0
"""The others follow Mandelbrot's form of Zipf's law: the size falls with (rank + SHIFT) to the power of EXPONENT. In
Debian's list the hosts of rank 4, 10, 30 and 100 have 294, 153, 38 and 8 URLs, and 6,384 hosts have one; fitted (least
squares of the logarithms of the first 300), they have 375, 137, 40 and 10, and 6,758 have one."""


def fitted_sizes(urls: int, hosts: int) -> list[int]:
    """`urls` spread over `hosts` in the shape of Debian's homepages; each has one at least.

    Raises ValueError where there are fewer URLs than hosts.
    """
    if not 1 <= hosts <= urls:
        raise ValueError(f"{urls} URLs cannot be spread over {hosts} hosts: each needs one at least")
    giants = [max(1, int(urls * share)) for share in GIANTS] if hosts > len(GIANTS) else []
    room = urls - sum(giants)
    if room < hosts - len(giants):  # hardly more URLs than hosts: nobody is large
        return [urls - hosts + 1] + [1] * (hosts - 1)
    # The scale at which the sizes, of which none is below one, come to what is left: found by halving.
    weights = [(rank + SHIFT) ** -EXPONENT for rank in range(1, hosts - len(giants) + 1)]
    low, high = 0.0, room / weights[-1]
    for _ in range(60):
        middle = (low + high) / 2
        if sum(max(1, int(middle * weight)) for weight in weights) > room:
            high = middle
        else:
            low = middle
    others = [max(1, int(low * weight)) for weight in weights]
    others[0] += room - sum(others)  # what rounding left over
    return sorted(giants + others, reverse=True)


def sizes_of_list(path: Path) -> list[int]:
    """The sizes of the hosts of a list, one URL a line; lines that are no http(s) URL count for nobody.

    Raises OSError where it cannot be read.
    """
    with path.open(encoding="utf-8", errors="replace") as lines:
        urls = (parse(line.strip()) for line in lines)
        counts = Counter(url.host_key for url in urls if isinstance(url, Url))
    return sorted(counts.values(), reverse=True)
