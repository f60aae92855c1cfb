"""What a long job says of itself where there is no terminal to draw bars in."""

import io
import re

from rich.console import Console

from babelrank.analysis.bootstrap import Interval
from babelrank.encoding.protocol import Role
from babelrank.reporting.formatting import show_score
from babelrank.reporting.tables import Column, Table
from babelrank.reporting.terminal import ProgressBars, table_terminal


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def lines_of(file: io.StringIO) -> list[str]:
    return [line for line in file.getvalue().splitlines() if line.strip()]


def test_a_log_gets_a_line_now_and_then_with_what_is_done_and_all_there_is():
    log, clock = io.StringIO(), Clock()
    with ProgressBars(Console(file=log, width=100), clock) as bars:
        show = bars.training(steps=400)
        for step in range(1, 201):
            clock.now += 1.0
            show(step, {"loss": 2.0 - step / 200})
        lines = lines_of(log)
    assert len(lines) == 200 // 30
    assert lines[0].startswith("training, loss 1.8500 30/400")
    assert all(re.search(r" (\d:\d\d:\d\d|-:--:--) left$", line) for line in lines)


def test_jobs_one_after_another_share_the_pace():
    log, clock = io.StringIO(), Clock()
    with ProgressBars(Console(file=log, width=100), clock) as bars:
        encoding, counting = bars.encoding("mlqa-r"), bars.counting("units compared", unit="units")
        for done in range(10):
            clock.now += 10.0
            encoding(Role.QUERY, done, 10)
            counting(done, 10)
        lines = lines_of(log)
    assert [" ".join(line.split()[:3]) for line in lines] == [f"mlqa-r queries {done}/10" for done in (2, 5, 8)]


def test_a_terminal_has_bars_and_no_such_lines():
    screen, clock = io.StringIO(), Clock()
    with ProgressBars(Console(file=screen, width=100, force_terminal=True), clock) as bars:
        show = bars.training(steps=400)
        for step in range(1, 201):
            clock.now += 1.0
            show(step, {"loss": 1.0})
    assert "left" not in screen.getvalue()
    assert "200/400" in screen.getvalue()


def test_a_table_is_plain_text_too():
    table = Table(
        "Scores", [Column("model"), Column("mAP", show_score)], [["[bold]", Interval(0.5, 0.4, 0.6)]], note="n"
    )
    screen = io.StringIO()
    Console(file=screen, width=100, color_system=None).print(table_terminal(table))
    lines = [line.strip() for line in screen.getvalue().splitlines() if line.strip()]
    assert lines[0] == "Scores"
    assert lines[-2].split() == ["[bold]", "0.500", "(0.400–0.600)"]
    assert lines[-1] == "n"
