"""The ledger of a state folder, read on as it grows, for tests that look up many lines while more are written."""

import json
import threading
import time

from .proc import wait_until

# Many may wait for lines at once; the files are looked at no more often than this.
PAUSE_S = 0.05


class Ledger:
    def __init__(self, state):
        self._state = state
        self._lock = threading.Lock()
        self._read = {}
        self._lines = []
        self._by_id = {}
        self._looked = 0

    def lines(self):
        """All lines so far, in their order."""
        with self._lock:
            if time.monotonic() - self._looked < PAUSE_S:
                return self._lines[:]
            self._looked = time.monotonic()
            for path in sorted(self._state.glob("ledger-*.jsonl")):
                self._read_on(path)
            return self._lines[:]

    def _read_on(self, path):
        done = self._read.get(path, 0)
        if path.stat().st_size == done:
            return
        with open(path, "rb") as file:
            file.seek(done)
            # The kernel may show the first part of a line that is being written.
            whole = file.read().rpartition(b"\n")[0]
        if whole:
            self._read[path] = done + len(whole) + 1
            for line in map(json.loads, whole.split(b"\n")):
                self._lines.append(line)
                self._by_id.setdefault(line["request_id"], []).append(line)

    def find(self, limit=10, **wanted):
        """Waits for the line whose fields have these values; there is one and no more."""

        def look():
            lines = self.lines()
            if "request_id" in wanted:
                lines = self._by_id.get(wanted["request_id"], [])
            return [line for line in lines if all(line[name] == value for name, value in wanted.items())]

        found = wait_until(look, limit, f"a ledger line with {wanted}")
        assert len(found) == 1, found
        return found[0]
