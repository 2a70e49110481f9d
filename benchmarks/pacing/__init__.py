"""How well urlsweep paces itself: hosts with known limits on loopback sockets, and the times that an oracle would need.

`python -m benchmarks.pacing` runs the command line against each of them, as a process of its own and on its defaults.
"""
