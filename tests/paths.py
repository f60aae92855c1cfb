"""Where the project, and what its tests share, lie."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
REPORTS = ROOT / "reports"
EXPERIMENTS = ROOT / "experiments"
