"""The Debian world: thousands of real homepage URLs answered by planted servers in a network namespace of their own.

`python -m benchmarks.world` builds it, sends the tools in and holds their answers against the plan. Nothing in here
ever sends a packet out of the namespace (see `namespace`).
"""
