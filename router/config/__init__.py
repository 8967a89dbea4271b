"""models.yaml: its schema, loading, errors in words, editing in place, keys, advice."""
