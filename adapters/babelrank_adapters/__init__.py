"""Encoders behind the harness's protocol, each found by its entry point."""
