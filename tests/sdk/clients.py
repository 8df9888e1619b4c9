"""The client libraries under test: each runs in a process of its own that answers case after case."""

import json
import os
import pathlib
import select
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "sdk"

# What each library makes of a status, where it is not the class of all.
ERRORS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    413: "ContentTooLargeError",
    429: "RateLimitError",
    500: "InternalServerError",
    502: "InternalServerError",
    503: "ServiceUnavailableError",
    504: "GatewayTimeoutError",
    529: "OverloadedError",
}
OLD_PYTHON = {413: "RequestTooLargeError", 503: "InternalServerError", 504: "InternalServerError"}
OLD_NODE = {413: "APIError", 503: "InternalServerError", 504: "InternalServerError",
            529: "InternalServerError"}


class Library:
    """A library at a version: how to start it, what it sends, and how it names errors."""

    def __init__(self, name, folder, program, version, errors=None, ai=False):
        self.name = name
        self.folder = BUILD / folder
        self.program = program
        self.version = version
        self.errors = errors or {}
        self.ai = ai

    def error_class(self, status):
        return "AI_APICallError" if self.ai else self.errors.get(status, ERRORS[status])

    def argv(self):
        interpreter = "/usr/bin/python3" if self.program.endswith(".py") else "node"
        return [interpreter, str(HERE / self.program)]

    def environment(self):
        """Only what is needed: no key, proxy or base URL of the machine's owner may steer a client."""
        kept = {k: os.environ[k] for k in ("PATH", "HOME", "TMPDIR", "LANG") if k in os.environ}
        return {**kept, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1",
                "SDK_DIR": str(self.folder)}


OLD, NEW = "2023-06-01", "2026-10-21"
LIBRARIES = [
    Library("python-0", "python-0", "client.py", OLD, OLD_PYTHON),
    Library("python", "python", "client.py", NEW),
    Library("node-0", "node-0", "client.mjs", OLD, OLD_NODE),
    Library("node", "node", "client.mjs", NEW),
    Library("ai", "node", "ai.mjs", OLD, ai=True),
]


class Client:
    """The running process of a library."""

    def __init__(self, library):
        self.library = library
        self.child = subprocess.Popen(library.argv(), env=library.environment(), text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.version = self._line(60)["version"]

    def _line(self, limit):
        ready, _, _ = select.select([self.child.stdout], [], [], limit)
        line = self.child.stdout.readline() if ready else ""
        assert line, f"{self.library.name} gave no answer within {limit} s ({self.child.poll()})"
        return json.loads(line)

    def ask(self, case, limit=60):
        """What the library sees in one case; see client.py for what a case and an answer hold."""
        self.child.stdin.write(json.dumps(case) + "\n")
        self.child.stdin.flush()
        return self._line(limit)

    def close(self):
        self.child.kill()
        self.child.communicate()
