"""A separate process that loads models by name, because HF_ENDPOINT must be set before any import.

`hub_worker.py MODEL[@REVISION]...` prints one JSON object per model: its description and one vector, or the error.
"""

import json
import sys
import time

from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import load_encoder
from babelrank.errors import EncoderError


def main(specifications: list[str]) -> None:
    for specification in specifications:
        model, _, revision = specification.partition("@")
        began = time.monotonic()
        try:
            encoder = load_encoder(model, EncoderOptions(revision=revision or None), adapter="sentence-transformers")
            told = {
                "name": encoder.info.name,
                "fingerprint": encoder.info.fingerprint,
                "prompt": encoder.info.settings["query_prompt"],
                "vector": encoder.encode_query(["who ran?"])[0].tolist(),
            }
        except EncoderError as error:
            told = {"error": str(error)}
        print(json.dumps({**told, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1:])
