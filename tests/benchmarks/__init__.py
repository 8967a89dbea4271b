"""Measurements, run by hand: ratios within one run, the upstream in a process of its own."""
