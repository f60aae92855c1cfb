"""A random permutation without a table: any element can be computed directly."""

import numpy as np

# Four rounds make a Feistel network a pseudorandom permutation even against chosen inputs (Luby & Rackoff 1988).
_ROUNDS = 4


def permute(positions: np.ndarray, size: int, key: int) -> np.ndarray:
    """Return where a random permutation of 0 … size - 1 sends `positions`.

    A balanced Feistel network over the smallest even number of bits that holds `size`, walked until the image falls
    into the range ("cycle walking", Black & Rogaway 2002): a bijection for every `size` and `key`.

    Parameters
    ----------
    positions
        Integers in [0, size).
    key
        Seed of the permutation; any integer.

    Returns
    -------
    numpy.ndarray
        int64, of the shape of `positions`.
    """
    half = max((int(size - 1).bit_length() + 1) // 2, 1)
    keys = np.random.SeedSequence(key).generate_state(_ROUNDS, np.uint64)
    image = positions.astype(np.uint64)
    outside = np.ones(image.shape, dtype=bool)
    while outside.any():
        image[outside] = _encrypt(image[outside], np.uint64(half), keys)
        outside = image >= np.uint64(size)
    return image.astype(np.int64)


def _encrypt(values: np.ndarray, half: np.uint64, keys: np.ndarray) -> np.ndarray:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for key in keys:
        left, right = right, left ^ (mix_bits(right ^ key) & mask)
    return (left << half) | right


def mix_bits(values: np.ndarray) -> np.ndarray:
    """Return uint64 values with their bits mixed: the finaliser of SplitMix64 (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
