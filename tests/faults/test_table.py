"""Every fault with every way of hosting, and what the gate is like when all of them are behind it."""

import pathlib
import re
import socket

import pytest
import report
import table
from lib.proc import wait_until

# What hosts and the program log when a process of theirs has not ended as it should.
DIED = re.compile(r"^.*(?:killed by signal|exited with status|exit signal|communication error|Segmentation).*$", re.MULTILINE)
CALL = re.compile(r"event=call request_id=(\w+) .* path=\"[^\"]*/messages\" .* key=(\w+) ")


@pytest.mark.parametrize("fault", table.ALL, ids=lambda fault: fault.name)
def test_fault(lab, fault, record_property):
    wrong = []
    for part, outcome, why in lab.seen(fault):
        expected = fault.expected(lab.host, part) if part in fault.parts() else ()
        good = outcome in expected
        record_property("fault", report.cell(lab, fault, part, outcome, good))
        if not good:
            wrong.append(f"{part}: {outcome}, not {' or '.join(expected)}\n{why or ''}")
    assert not wrong, "\n".join(wrong)


# Behind them all


def test_every_call_of_a_known_key_is_in_the_ledger_once(lab):
    """What the log tells of calls is what the ledger holds, and its lines add up to the totals."""
    lab.finish()
    booked = lambda: [line["request_id"] for line in lab.ledger.lines() if line["end"] != "lost"]  # noqa: E731
    logged = {request_id for request_id, _ in CALL.findall(lab.host.text())}
    wait_until(lambda: logged <= set(booked()), 10, lambda: f"lines of {logged - set(booked())}")
    logged = {request_id for request_id, _ in CALL.findall(lab.host.text())}
    assert set(booked()) <= logged and len(booked()) == len(set(booked()))
    seqs = [line["seq"] for line in lab.ledger.lines()]
    assert seqs == list(range(1, len(seqs) + 1))
    lab.host.site.command("ledger", "verify")


def test_nobody_was_asked_who_should_not_be(lab):
    lab.finish()
    assert not [model for model in lab.unasked if lab.upstream.requests(model)]
    assert not [line for line in lab.ledger.lines() if line["key"] in lab.unheard]


def test_no_process_has_died(lab):
    lab.finish()
    found = DIED.findall(lab.host.text())
    assert not found, "\n".join(found)
    if not lab.host.per_call:
        assert set(lab.programs) <= set(lab.host.programs())


def test_nothing_is_left_open(lab):
    """No process of a call that has ended; no connection of a host's, no body in a file."""
    lab.finish()
    if lab.host.per_call:
        wait_until(lambda: not lab.host.programs(), 20, lambda: f"programs to end: {lab.host.programs()}")
    wait_until(lambda: not _left(lab.host), 20, lambda: f"descriptors to be closed: {_left(lab.host)}")


def _left(host):
    """The descriptors that only a call under way may have: what a host connected to, and files without a name."""
    connected = _connected()
    left = []
    for pid in host.programs():
        for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = entry.readlink()
            except OSError:
                continue
            if target.name in connected or str(target).endswith(" (deleted)"):
                left.append((pid, entry.name, str(target)))
    return left


def _connected():
    """The unix sockets with a path that are one side of a connection, as /proc/PID/fd names them."""
    rows = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {f"socket:[{row[6]}]" for row in rows if len(row) > 7 and int(row[5]) == 3 and int(row[4]) == socket.SOCK_STREAM}
