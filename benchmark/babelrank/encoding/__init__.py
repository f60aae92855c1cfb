"""Encode texts into representations: each text once, stored on disk."""
