"""`python -m babelrank`."""

from babelrank.cli import main

main()
