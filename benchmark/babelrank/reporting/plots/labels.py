"""Places for names next to points, so that none covers another name, a point or an interval."""

import numpy as np

_ANGLES = np.radians(np.array([20, -20, 160, -160, 90, -90, 50, -50, 130, -130, 0, 180, 70, -70, 110, -110]))
_REACHES = np.array([0.9, 1.3, 1.8, 2.5, 3.4, 4.6, 6.0, 8.0, 10.5])  # from point to name, in units of `reach`
_PASSES = 12  # names settle in two or three
# Added to the distance in pixels: to cover something, to be crossed by another's line, to be led to over another point,
# to cut a line, to run over anything else.
_FORBIDDEN, _UGLY, _MISLEADING, _CUT, _OVER = 1e6, 1e4, 1e3, 200.0, 20.0
_CLOSE = 0.7  # to a point, in units of `reach`
_SAMPLES = np.linspace(0.05, 0.95, 19)  # places on a line at which it is looked for
_OWN = 6  # of those, how many may lie on the point's own marker and interval


def place_boxes(
    points: np.ndarray, sizes: np.ndarray, bounds: np.ndarray, obstacles: np.ndarray, reach: float
) -> tuple[np.ndarray, bool]:
    """Find a place for a box next to each point: one by one, in the best of a few orders, until nothing moves.

    Parameters
    ----------
    points
        Pixels: shape (points, 2).
    sizes
        Width and height of the boxes: shape (points, 2).
    bounds
        Left, bottom, right, top.
    obstacles
        What must not be covered: boxes like `bounds`, shape (obstacles, 4).
    reach
        Unit of the distance between point and box.

    Returns
    -------
    centres
        Of the boxes: shape (points, 2).
    clean
        Whether no box covers anything, leaves the bounds, or has another's line across it.
    """
    x, y = points.T
    best, least = points.astype(float), np.array([np.inf])
    for order in (np.lexsort((y, x)), np.lexsort((y, -x)), np.lexsort((x, y)), np.lexsort((x, -y))):
        centres, costs = _settle(points, sizes, bounds, obstacles, reach, order)
        if costs.sum() < least.sum():
            best, least = centres, costs
        if least.max() < _CUT:
            break
    return best, bool((least < _UGLY).all())


def _settle(
    points: np.ndarray, sizes: np.ndarray, bounds: np.ndarray, obstacles: np.ndarray, reach: float, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Place the boxes in the given order until nothing moves; return their centres, and what speaks against each."""
    directions = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
    centres, chosen = points.astype(float).copy(), np.zeros(len(points), dtype=bool)

    def weigh(candidates: np.ndarray, i: int) -> np.ndarray:
        others = chosen & (np.arange(len(points)) != i)
        return _cost(candidates, i, points, centres, sizes, others, bounds, obstacles, _CLOSE * reach)

    for _ in range(_PASSES):
        before = centres.copy()
        for i in order:
            # An ellipse around the point on which a box just touches the circle of the reach.
            radii = _REACHES[:, None, None] * reach + sizes[i] / 2
            candidates = (points[i] + directions * radii).reshape(-1, 2)
            centres[i] = candidates[int(weigh(candidates, i).argmin())]
            chosen[i] = True
        if np.array_equal(before, centres):
            break
    return centres, np.concatenate([weigh(centres[i : i + 1], i) for i in range(len(points))])


def _cost(
    candidates: np.ndarray,
    i: int,
    points: np.ndarray,
    centres: np.ndarray,
    sizes: np.ndarray,
    others: np.ndarray,
    bounds: np.ndarray,
    obstacles: np.ndarray,
    close: float,
) -> np.ndarray:
    """Return what speaks against each candidate for the centre of box `i`: shape (candidates,)."""
    boxes = _boxes(candidates, sizes[i])
    outside = (boxes[:, :2] < bounds[:2]).any(axis=1) | (boxes[:, 2:] > bounds[2:]).any(axis=1)
    taken = _boxes(centres[others], sizes[others])
    covered = _overlap(boxes, obstacles).sum(axis=1) + _overlap(boxes, taken).sum(axis=1)
    away = candidates - points[i]
    lines = points[i] + away[:, None] * _SAMPLES[:, None]  # (candidates, samples, 2)
    crossing = _inside(lines, taken).any(axis=1).sum(axis=1)
    starts, ends = points[others], centres[others]
    theirs = starts[:, None] + (ends - starts)[:, None] * _SAMPLES[:, None]
    crossed = _inside(theirs, boxes).any(axis=1).sum(axis=0)
    over = _inside(lines[:, _OWN:], obstacles).any(axis=1).sum(axis=1)
    passed = np.delete(points, i, axis=0)
    spots = _boxes(passed, np.full_like(passed, 2 * close))
    misleading = _inside(lines[:, _OWN:], spots).any(axis=1).sum(axis=1)
    cuts = _cuts(points[i], candidates, starts, ends)
    cost: np.ndarray = (
        _FORBIDDEN * (outside + covered)
        + _UGLY * (crossing + crossed)
        + _MISLEADING * misleading
        + _CUT * cuts
        + _OVER * over
        + np.hypot(*(np.abs(away) - sizes[i] / 2).clip(0).T)
    )
    return cost


def _boxes(centres: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=-1)


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which of the boxes cover which others: shape (boxes, others)."""
    left, bottom, right, top = boxes.T[..., None]
    other_left, other_bottom, other_right, other_top = others.T
    return np.asarray((left < other_right) & (other_left < right) & (bottom < other_top) & (other_bottom < top))


def _inside(places: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return which places (lines, samples, 2) lie in which boxes: shape (lines, samples, boxes)."""
    x, y = places[..., 0, None], places[..., 1, None]
    left, bottom, right, top = boxes.T
    return np.asarray((x > left) & (x < right) & (y > bottom) & (y < top))


def _cuts(point: np.ndarray, ends: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Return how many of the lines from `starts` to `stops` cut the line from `point` to each of `ends`."""

    def side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        value: np.ndarray = (b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0]
        return value

    e, s, t = ends[:, None], starts[None], stops[None]
    cuts = (side(point, e, s) * side(point, e, t) < 0) & (side(s, t, point[None]) * side(s, t, e) < 0)
    return np.asarray(cuts.sum(axis=1))
