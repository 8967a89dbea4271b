"""Experiments on real traffic: who gets the candidate chain, what came of it, and when it is stopped."""
