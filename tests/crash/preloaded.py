"""Imported by the server that forks commands: a submission and all imports of training, so that they start at once."""

import gc
import os
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from babelrank.cli import main
from made_collections import write_local
from paths import TESTS

for _module in ("babelrank.training.run", "babelrank.api.experiments"):
    import_module(_module)
with (
    TemporaryDirectory() as _folder,
    chdir(_folder),
    patch.dict(os.environ, {"XDG_CACHE_HOME": _folder}),
    patch.object(sys, "path", [str(TESTS), *sys.path]),
    patch.object(sys, "argv", ["", "submit", "streamed_encoders:words", "-c", "local:own", "--store", "store"]),
    redirect_stdout(StringIO()),
    redirect_stderr(StringIO()),
    suppress(SystemExit),
):
    write_local(Path("own"), passages=120)
    Path("leaderboard.md").touch()
    main()
gc.collect()
gc.freeze()  # libraries collect garbage in every command
