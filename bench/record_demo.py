"""The picture in README.md: a real run of ``surefoot demo`` on a terminal, rendered to docs/demo.svg.

    python bench/record_demo.py

Runs the installed command on a pseudo-terminal, keeps what is on its screen in the end, and lets rich draw that. Of the
tasks in the middle the steps are left out, and a line says how many lines these were.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS = 100
LINES = 40
TARGET = Path(__file__).parent.parent / "docs" / "demo.svg"
WHOLE_TASKS = ("1 of 4", "4 of 4")
_CONTROL = re.compile(r"\x1b\[(\d*)([AKJ])|\x1b\[\?\d+[hl]|\r|\n")


def record(command: list[str]) -> str:
    """Everything that a command writes to a terminal of ``COLUMNS`` columns."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=child, stdout=child, stderr=child)
        os.close(child)
        written = b""
        try:
            while piece := os.read(parent, 65_536):
                written += piece
                sys.stdout.buffer.write(piece)
                sys.stdout.flush()
        except OSError:
            print()  # Linux tells the end of a pseudo-terminal so
        if process.wait() != 0:
            raise SystemExit(f"the demo ended with exit code {process.returncode}: no picture of that")
    return written.decode()


def read_screen(written: str) -> list[str]:
    """The lines that stay, with their colours: what was erased and drawn over is gone."""
    lines, row, end = [""], 0, 0
    for control in _CONTROL.finditer(written):
        lines[row] += written[end : control.start()]
        end = control.end()
        if control.group() == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif control.group(2) == "A":
            row = max(0, row - int(control.group(1) or 1))
        elif control.group(2):
            lines[row] = ""
    return lines


def shorten(lines: list[Text]) -> list[Text]:
    """The same without the steps of the tasks in the middle: their question, answer and verdict stay."""
    shown: list[Text] = []
    whole, in_steps, hidden = True, False, 0
    for line in lines:
        text = line.plain
        if re.match(r"\d of \d ", text):
            whole = text.startswith(WHOLE_TASKS)
        elif " · run_" in text:
            in_steps = not whole
        if not in_steps:
            shown.append(line)
            continue
        hidden += 1
        if text.startswith("  seconds"):
            shown.append(Text(f"   ⋮ {hidden} lines", "bright_black"))
            in_steps, hidden = False, 0
    return shown


def main() -> None:
    """Record, shorten, draw."""
    surefoot = Path(sys.executable).with_name("surefoot")
    lines = [Text.from_ansi(line) for line in read_screen(record([str(surefoot), "demo"]))]
    with Path(os.devnull).open("w") as nowhere:
        console = Console(file=nowhere, record=True, width=COLUMNS, force_terminal=True, color_system="truecolor")
        console.print(Text.assemble(("$ ", "green"), "surefoot demo"))
        for line in shorten(lines):
            line.rstrip()
            console.print(line, overflow="crop", no_wrap=True)
    # The fonts of the template come from another host: whoever looks at the picture has a fixed-width font of their own
    template = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    TARGET.write_text(console.export_svg(title="surefoot demo", code_format=template, unique_id="demo"))
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
