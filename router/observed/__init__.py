"""What was observed, as columns and as figures."""
