"""A terminal, or a file in its place, that shows what users' data say as it is."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# Control characters of ASCII and of Latin-1, separators of lines, and what changes the direction of all that follows.
_CONTROLS = {*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_ESCAPES = {code: ascii(chr(code))[1:-1] for code in _CONTROLS - {ord("\n"), ord("\t")}}


class DataConsole(Console):
    r"""Prints neither markup nor emoji for ``[red]`` and ``:id:``, and escapes control characters.

    A name in a file could move the cursor otherwise, or change the title of the window.

    >>> DataConsole().print(chr(27) + "[2J [red] :id:")
    \x1b[2J [red] :id:
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, force_jupyter=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See `rich.console.Console.render`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=segment.text.translate(_ESCAPES))
