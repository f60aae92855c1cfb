"""A separate process that encodes: `encode_worker.py STORE BEGIN END SECONDS` (of each call of the encoder).

It encodes texts BEGIN to END in chunks of 8 and prints the number of texts that it had to encode.
"""

import sys
import time
from pathlib import Path

from babelrank.encoding import representations as encoding
from conftest import FakeEncoder, make_collection

CHUNK = 8


def main(store: str, begin: str, end: str, seconds: str) -> None:
    encoding.FIRST_CHUNK = CHUNK
    encoding._next_size = lambda size, _: size

    def wait(vectors, _):
        time.sleep(float(seconds))
        return vectors

    texts = [f"text {i}" for i in range(int(begin), int(end))]
    done = encoding.encode(FakeEncoder(change=wait), make_collection(["query"], texts), store=Path(store))
    print(done.texts_encoded["document"])


if __name__ == "__main__":
    main(*sys.argv[1:])
