"""Fallback Lab."""
