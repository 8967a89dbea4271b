"""Tuning: what was observed and graded goes in, a better chain comes out, as a change of models.yaml for review.

evidence -> grid -> search and simulation -> choice -> proposal -> certificate

Importing the package loads numpy, so nothing that a start imports may import it.
"""
