"""SECURITY.md names a test for each of its claims, and these tests exist."""

import ast
import re

from paths import ROOT

CLAIMS = re.findall(r"^\| (.+) \| `(.+)::(.+)` \|$", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_each_claim_has_a_test_that_exists():
    assert len(CLAIMS) >= 15
    for claim, file, name in CLAIMS:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, claim


def test_no_claim_is_made_twice():
    assert len({claim for claim, *_ in CLAIMS}) == len({(file, name) for _, file, name in CLAIMS}) == len(CLAIMS)
