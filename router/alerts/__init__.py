"""Rules of models.yaml that watch the dashboard's figures, and tell when one holds."""
