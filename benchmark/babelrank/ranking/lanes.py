"""Work on 64 scores at once, in compiled loops: Numba has no vectors, but the compiler below it has.

A comparison gives a number with one bit for each score, so the few scores that matter are found without a loop over the
others. A maximum takes a third of the time of the loop that Numba makes, and a count three quarters.

All 64 values must be in memory.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 64
ALL = -1

_BITS = ir.IntType(LANES)
_LANE = ir.IntType(32)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)

_Generator = Callable[[Any, ir.IRBuilder, Any, Sequence[ir.Value]], ir.Value]


def _load(context: Any, builder: ir.IRBuilder, signature: Any, values: ir.Value, begin: ir.Value) -> ir.Value:
    array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=values)
    place = builder.gep(array.data, [begin])
    return builder.load(builder.bitcast(place, _VECTOR.as_pointer()), align=4)


def _fill(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_LANE, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_LANE, LANES), [0] * LANES))


def _compare(operator: str) -> _Generator:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Sequence[ir.Value]) -> ir.Value:
        values, begin, bound = arguments
        loaded = _load(context, builder, signature, values, begin)
        return builder.bitcast(builder.fcmp_ordered(operator, loaded, _fill(builder, bound)), _BITS)

    return generate


@intrinsic
def at_least(typing: Any, values: Any, begin: Any, bound: Any) -> Any:
    """Return which values reach a bound."""
    return types.int64(values, types.int64, types.float32), _compare(">=")


@intrinsic
def above(typing: Any, values: Any, begin: Any, bound: Any) -> Any:
    """Return which values are above a bound."""
    return types.int64(values, types.int64, types.float32), _compare(">")


@intrinsic
def highest(typing: Any, values: Any, begin: Any, lanes: Any) -> Any:
    """Return the highest of the values whose bits are set in `lanes`; −∞ if there is none."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Sequence[ir.Value]) -> ir.Value:
        values, begin, lanes = arguments
        loaded = _load(context, builder, signature, values, begin)
        chosen = builder.bitcast(lanes, ir.VectorType(ir.IntType(1), LANES))
        best = builder.select(chosen, loaded, _fill(builder, ir.Constant(ir.FloatType(), -np.inf)))
        size = LANES
        while size > 1:  # halves against each other
            size //= 2
            undefined, lane = ir.Constant(best.type, ir.Undefined), ir.VectorType(_LANE, size)
            lower, upper = (
                builder.shuffle_vector(best, undefined, ir.Constant(lane, list(range(start, start + size))))
                for start in (0, size)
            )
            best = builder.select(builder.fcmp_ordered(">", lower, upper), lower, upper)
        return builder.extract_element(best, ir.Constant(_LANE, 0))

    return types.float32(values, types.int64, types.int64), generate


@intrinsic
def count(typing: Any, bits: Any) -> Any:
    """Return the number of bits that are set."""
    return types.int64(types.int64), lambda context, builder, signature, arguments: builder.ctpop(arguments[0])


@intrinsic
def first(typing: Any, bits: Any) -> Any:
    """Return the place of the lowest bit that is set; there must be one."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Sequence[ir.Value]) -> ir.Value:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@numba.njit(nogil=True, cache=True, error_model="numpy")
def first_lanes(size: int) -> np.int64:
    """Return the bits of the first lanes, at least one and at most all."""
    return np.int64(np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(LANES - size))
