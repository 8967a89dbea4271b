"""The wires that callers of the endpoint speak."""
