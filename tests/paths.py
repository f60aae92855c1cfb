"""Folders of the project and of files that its tests share."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
REPORTS = ROOT / "reports"
EXPERIMENTS = ROOT / "experiments"
