"""Evaluations: suites of cases, asked in lanes and graded."""
