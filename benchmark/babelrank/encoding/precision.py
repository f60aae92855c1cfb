"""Warn of half precision where it is slow."""

import logging
import platform

import torch

_LOGGER = logging.getLogger(__name__)
_HALVES = ("bfloat16", "float16")
_WITHOUT = ("DEFAULT", "AVX2")  # what PyTorch calls x86 processors without AVX-512


def warn_if_emulated(dtype: str, device: str, remedy: str) -> None:
    """Log a warning if this processor has no instructions for half precision.

    With AVX2, a product of matrices takes about 40 times as long in bfloat16 as in float32, a training step 18 times.

    Parameters
    ----------
    dtype, device
        Their names in PyTorch.
    remedy
        What to do about it, in a few words.
    """
    capability = torch.backends.cpu.get_cpu_capability()
    x86 = platform.machine().lower() in {"x86_64", "amd64"}
    if dtype in _HALVES and device == "cpu" and x86 and capability in _WITHOUT:
        _LOGGER.warning("this processor has no instructions for %s and is many times slower; %s.", dtype, remedy)
