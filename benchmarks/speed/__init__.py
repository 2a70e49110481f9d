"""How fast urlsweep is beside its peers: the same lists, the same servers, in turns, every answer checked.

`python -m benchmarks` runs it, in a network namespace that holds nothing but a loopback.
"""
