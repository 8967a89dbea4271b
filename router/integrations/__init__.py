"""Where other programs meet the chains; each needs a group of its own in pyproject.toml."""
