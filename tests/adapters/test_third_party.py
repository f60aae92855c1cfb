"""An adapter in somebody else's package is found by its entry point: installed by pip, in an environment of its own."""

import json
import subprocess
import sys
import textwrap
import venv
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

import babelrank

ADAPTER = """
    import numpy as np

    from babelrank import Adapter, EncoderInfo

    class Lengths:
        info = EncoderInfo(name="lengths", adapter="lengths", fingerprint="1", dimension=2)

        def encode_query(self, texts):
            return np.array([[len(text), 1] for text in texts], dtype=np.float32)

        encode_document = encode_query

    ADAPTER = Adapter(
        name="lengths",
        models="lengths",
        load=lambda model, options: Lengths(),
        recognises=lambda model, options: model == "lengths",
    )
"""
PROGRAM = """
    import json
    import sys
    from pathlib import Path

    import babelrank
    from babelrank.encoding.registry import adapter_names, find_adapter

    encoder = babelrank.load_encoder("lengths")
    vectors = babelrank.encode(encoder, babelrank.load_collection("sample:en"), store=Path(sys.argv[1]))
    print(json.dumps({
        "names": adapter_names(),
        "found": find_adapter("lengths", babelrank.EncoderOptions()).name,
        "queries": vectors.queries.tolist(),
    }))
"""


def write_wheel(folder: Path) -> Path:
    """Write a wheel by hand (PyPA's binary distribution format), so that nothing need be there to build it."""
    wheel = folder / "lengths_for_babelrank-1.0-py3-none-any.whl"
    about = "lengths_for_babelrank-1.0.dist-info"
    files = {
        "lengths_for_babelrank.py": textwrap.dedent(ADAPTER),
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: lengths-for-babelrank\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": "[babelrank.adapters]\nlengths = lengths_for_babelrank:ADAPTER\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return wheel


@pytest.fixture
def scratch_python(tmp_path) -> Path:
    """Interpreter of a new environment that sees this one's packages, babelrank among them."""
    folder = tmp_path / "scratch"
    builder = venv.EnvBuilder(with_pip=False, symlinks=sys.platform != "win32")
    builder.create(folder)
    context = builder.ensure_directories(folder)
    python = Path(context.env_exe)
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    theirs = Path(subprocess.run([python, "-c", purelib], check=True, capture_output=True, text=True).stdout.strip())
    ours = [entry for entry in sys.path if entry.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({entry!r})" for entry in ours]  # which follows our own .pth files, too
    (theirs / "ours.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return python


def test_a_package_that_declares_the_entry_point_is_found_and_used(scratch_python, tmp_path):
    pytest.importorskip("pip")
    install = [sys.executable, "-m", "pip", "--python", scratch_python, "install", "--no-index", "--no-deps", "--quiet"]
    subprocess.run(
        [*install, "--disable-pip-version-check", write_wheel(tmp_path)], check=True, capture_output=True, text=True
    )

    finished = subprocess.run(
        [scratch_python, "-c", textwrap.dedent(PROGRAM), tmp_path / "store"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    said = json.loads(finished.stdout)

    assert "lengths" in said["names"]
    assert "use" in said["names"]
    assert said["found"] == "lengths"
    texts = babelrank.load_collection("sample:en").queries["text"]
    np.testing.assert_array_equal(said["queries"], [[len(text), 1] for text in texts])
