"""A simulated internet for the real Pacer and Check: what learning each host's limit costs, and what it saves.

`python -m benchmarks.simulation` runs the scenarios and holds them against the times that were promised. A
discrete-event simulation: nothing is sent, nothing sleeps, and the same seed gives the same figures to the last digit
(but those of the processor's time).
"""
