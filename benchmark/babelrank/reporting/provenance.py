"""The time and the environment of an evaluation: part of results.json."""

import os
from dataclasses import dataclass

from babelrank import environment
from babelrank.encoding.representations import Representations


@dataclass(frozen=True)
class Seconds:
    """Wall-clock time of each phase, in seconds.

    Attributes
    ----------
    load
        Loading the model.
    encode_query
        Inside the encoder, with queries.
    encode_document
        Inside the encoder, with passages.
    rank
        Scoring and ranking for all settings and, since version 2, for the top passages.
    analyse
        Measures, bias and, since version 2, the embedding space.
    """

    load: float
    encode_query: float
    encode_document: float
    rank: float
    analyse: float


@dataclass(frozen=True)
class Cost:
    """The cost of the encoder. Its maximum length is among the model's settings.

    Attributes
    ----------
    texts_per_second
        Distinct texts (queries and passages) encoded per second, by all workers together. Null if all vectors came from
        the store.
    hardware
        Names of the GPUs, or the processor and its number of cores.
    bytes_per_vector
        Mean size of a passage for ranking. Dense vectors are float32 or quantised.
    cpu_seconds
        Processor time of encoding, ranking and analysis, by all threads and child processes. Vectors from the store
        were paid for before. Null in reports of earlier versions.
    """

    texts_per_second: float | None
    hardware: str
    bytes_per_vector: float
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class TrainingCost:
    """The cost of a checkpoint that babelrank trained.

    Attributes
    ----------
    cpu_seconds
        Processor time of the run, by all threads and processes, including interrupted parts, loading and validation;
        of all runs for an average of checkpoints. That of a base model is not included.
    hardware
        Names of the GPUs, or the processor and its number of cores.
    """

    cpu_seconds: float
    hardware: str


@dataclass(frozen=True)
class Machine:
    """The machine of an evaluation.

    Attributes
    ----------
    cpu
        Name of the processor.
    cores
        Cores that the process could use.
    memory_gib
        Main memory, in GiB; null if unknown.
    device
        Device of the encoder, such as ``cpu`` or the name of a GPU.
    """

    cpu: str
    cores: int
    memory_gib: float | None
    device: str


@dataclass(frozen=True)
class Environment:
    """Software and hardware of an evaluation.

    Attributes
    ----------
    babelrank
        Version of babelrank.
    python
        Version of Python.
    platform
        Operating system and architecture.
    machine
        Processor, memory, device.
    packages
        Versions of the packages that the results can depend on.
    """

    babelrank: str
    python: str
    platform: str
    machine: Machine
    packages: dict[str, str]


def current_environment(device: str = "cpu") -> Environment:
    """Describe this process's machine and packages. `device` is the encoder's device."""
    machine, packages = environment.machine(), environment.package_versions()
    return Environment(
        babelrank=packages.pop("babelrank", "unknown"),
        python=str(machine["python"]),
        platform=str(machine["system"]),
        machine=Machine(
            str(machine["processor"]), int(machine["cores"]), _memory_gib(), environment.device_names(device)
        ),
        packages=dict(sorted(packages.items())),
    )


def measure_cost(representations: Representations, device: str, cpu_seconds: float) -> Cost:
    """Return the cost of an encoder on `device` for a collection."""
    hardware = environment.hardware(device)
    return Cost(representations.texts_per_second, hardware, representations.bytes_per_passage, cpu_seconds)


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
