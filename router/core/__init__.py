"""Plain data and errors: everything else imports from here; this imports nothing else."""
