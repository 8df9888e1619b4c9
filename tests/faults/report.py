"""The table as it is printed: a line for each part of a row, a column for each way of hosting."""

import table

PARTS = {"whole": "", "stream": "stream", "other": "second target", "call": "", "next call": "next call"}

SECTIONS = [
    ("The upstream cannot be reached", table.CONNECTING),
    ("It ends, resets or falls silent", table.BREAKING),
    ("It says that it cannot", table.STATUSES),
    ("It answers 200 with something else", table.NOTHING),
    ("Its head or its framing is odd", table.FRAMING),
    ("Its stream is good, in an odd form", table.FORMS),
    ("Its stream breaks off, or breaks the grammar", table.GRAMMAR),
    ("The client leaves", table.LEAVING),
    ("The client is slow, or sends what it should not", table.SENDING),
]


def cell(lab, fault, part, outcome, good):
    """One cell, as it goes from a worker to the process that prints the table."""
    return [fault.name, part, lab.host.name, ("" if good else "! ") + short(outcome)]


def short(outcome):
    """An outcome without the type of its error, which goes with the rest."""
    words = outcome.split()
    return f"{words[0]} {words[2]}" if len(words) == 3 else outcome


def text(rows, hosts):
    cells = {}
    for name, part, host, outcome in rows:
        cells.setdefault((name, part), {})[host] = outcome
    width = max(len(text) for row in cells.values() for text in row.values())
    names = max(len(_label(*key)) for key in cells)
    lines = []
    for title, section in SECTIONS:
        found = [(fault.name, part) for fault in section for part in [*fault.parts(), "next call"]]
        found = [key for key in found if key in cells]
        if not found:
            continue
        lines += ["", _line(title, hosts, names, width)]
        for key in found:
            lines.append(_line(_label(*key), [cells[key].get(host, "-") for host in hosts], names, width))
    count = sum(len(row) for row in cells.values())
    wrong = sum(text.startswith("!") for row in cells.values() for text in row.values())
    lines += ["", f"{count} cells, {wrong} of them not as they have to be"]
    return "\n".join(lines[1:]) + "\n"


def _label(name, part):
    return f"  {name}" + (f", {PARTS[part]}" if PARTS[part] else "")


def _line(label, texts, names, width):
    return (label.ljust(names) + "  " + "  ".join(text.ljust(width) for text in texts)).rstrip()
