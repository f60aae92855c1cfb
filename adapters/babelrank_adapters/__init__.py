"""The built-in adapters. Each is found by its entry point."""
