"""How the checks of the code see it: its files, its bare tokens, its functions, its compiler flags."""

import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

NOT_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL
)


def blank(match):
    """As many characters and lines as before, so that positions stay true."""
    return re.sub(r"[^\n]", " ", match.group())


class Source:
    """One C file: where it is, its name below its root, its text with and without comments and strings."""

    def __init__(self, root, path):
        self.root = root
        self.path = path
        self.name = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.split("\n")
        self.code = NOT_CODE.sub(blank, self.text)

    def line_at(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def includes(self):
        """The (line, opening mark, header) of each include."""
        for number, line in enumerate(self.lines, 1):
            found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if found:
                yield number, found.group(1), found.group(2)

    def calls(self):
        """The (line, name) of whatever looks like a call of a plain function."""
        for found in re.finditer(r"(?<![\w.])(?<!->)([A-Za-z_]\w*)\s*\(", self.code):
            yield self.line_at(found.start()), found.group(1)


def sources(folder):
    """All C files under a folder, by their path below it."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".c", ".h"))
    return [Source(folder, path) for path in paths]


def functions(paths):
    """The function definitions in files, as ctags tells them: path, name, line, end, signature."""
    if not paths:
        return []
    command = ["ctags", "-f-", "--output-format=json", "--languages=C", "--langmap=C:.c.h",
               "--kinds-C=f", "--fields=+neS", *map(str, paths)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def cppflags():
    """What decides the meaning of the code (-std, -D, -I), asked from the Makefile, its only home, which
    makes the headers that are made on the way."""
    ask = "the-flags: ; @$(MAKE) $(GEN) && printf '%s\\n' $(NEED) $(PKG_CFLAGS) $(CPPFLAGS) -Itests -Itests/unit"
    done = subprocess.run(["make", "-s", "--no-print-directory", "--eval", ask, "the-flags"], cwd=ROOT,
                          env=plain_environment(), stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit("make did not tell its flags")
    return [flag for flag in done.stdout.split("\n") if flag and not flag.startswith("-M")]


def plain_environment():
    """The environment without what a calling make left there, which would steer another make."""
    return {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
