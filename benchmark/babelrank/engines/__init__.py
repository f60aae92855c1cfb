"""Numbered tasks in, each done once: in this process, in several on this machine, or on a Ray cluster."""
