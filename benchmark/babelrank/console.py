"""A console that shows users' texts unchanged: no markup, no control characters."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# Control characters of ASCII and Latin-1, line separators, and marks that change the direction of the text after them.
_CONTROLS = {*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_ESCAPES = {code: ascii(chr(code))[1:-1] for code in _CONTROLS - {ord("\n"), ord("\t")}}


class DataConsole(Console):
    r"""Print ``[red]`` and ``:id:`` literally, not as markup or emoji, and escape control characters.

    Otherwise a name in a file could move the cursor or change the window's title.

    >>> DataConsole().print(chr(27) + "[2J [red] :id:")
    \x1b[2J [red] :id:
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, force_jupyter=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See `rich.console.Console.render`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=segment.text.translate(_ESCAPES))
