"""What the Tune page draws."""
