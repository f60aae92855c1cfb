"""What babelrank costs, as ratios to bare reference work in the same run: ``python -m bench [SUBJECT …]``.

Each subject is a module with one function, `measure`, that yields rows of the table. Other jobs may run on the machine.
Therefore compared functions run in interleaved rounds, and the best round of each counts.
"""
