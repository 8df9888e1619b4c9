"""The program serving by itself, asked over FastCGI without a web server between."""

import contextlib
import pathlib
import socket

import fastcgi
from lib import messages
from lib.ports import accepts, free_port
from lib.postern import Site, sanitizer_reports
from lib.proc import Proc

# Opens a unix socket as descriptor 0, as a service manager does, and becomes the command behind it.
ON_DESCRIPTOR_0 = """
import os, socket, sys
path, blocking, *command = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.bind(path)
s.listen(64)
s.setblocking(blocking == "blocking")
os.dup2(s.fileno(), 0)
os.execvp(command[0], command)
"""


def on_descriptor_0(blocking="blocking"):
    """For Gate's under; {socket} is filled in there."""
    return "/usr/bin/python3", "-c", ON_DESCRIPTOR_0, "{socket}", blocking


# Holds a socket as a service manager does, and runs the command with it; SIGHUP stops the command and starts it again.
SERVICE_MANAGER = """
import signal, socket, subprocess, sys
path, *command = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.bind(path)
s.listen(1024)
signals = {signal.SIGHUP, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
while True:
    child = subprocess.Popen(command, stdin=s)
    got = signal.sigwait(signals)
    child.terminate()
    status = child.wait()
    if status or got == signal.SIGTERM:
        sys.exit(status)
"""


def service_manager():
    """For Gate's under."""
    return "/usr/bin/python3", "-c", SERVICE_MANAGER, "{socket}"


class Gate:
    """A Site and a process that serves from it. listen: "unix", "tcp", or "0", which the command under it provides."""

    def __init__(self, upstream_url, listen="unix", workers=None, threads=32, under=(), **options):
        self.site = Site(upstream_url, **options)
        self.log = self.site.dir / "program.log"
        self.listen = listen
        self.socket = self.site.dir / "postern.sock"
        self.address = free_port() if listen == "tcp" else self.socket
        self.workers = workers
        self.threads = threads
        self.under = [part.replace("{socket}", str(self.socket)) for part in under]
        self.proc = None
        self.procs = []

    def argv(self):
        argv = [*self.under, self.site.bin, "serve", "--config", self.site.conf, "--threads", self.threads]
        if self.listen == "unix":
            argv += ["--listen", f"unix:{self.socket}"]
        elif self.listen == "tcp":
            argv += ["--listen", f"127.0.0.1:{self.address}"]
        return argv + (["--workers", self.workers] if self.workers else [])

    def start(self, env=None):
        """Starts it and waits until every process says that it is ready; several may run, the newest is proc."""
        begun = self.ready_count()
        self.proc = Proc(self.argv(), self.log, env=env, web_user=True)
        self.procs.append(self.proc)
        self.proc.ready(lambda: self.ready_count() >= begun + (self.workers or 1), 20, "the program")
        return self

    def ready_count(self):
        return self.text().count('what="ready"')

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def served(self):
        """Whether anything takes connections now."""
        if self.listen == "tcp":
            return accepts(self.address)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def children(self):
        path = pathlib.Path(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self, limit=15):
        """Ends it in the ordinary way; the exit status."""
        self.proc.stop(limit=limit)
        return self.proc.child.returncode

    def close(self):
        for proc in self.procs:
            proc.kill()
        found = sanitizer_reports(self.text())
        assert not found, "\n".join(found) + f"\nlogs: {self.site.dir}"
        assert not [s for s in self.site.secrets() if s in self.text()], f"a secret in the logs: {self.site.dir}"
        self.site.remove()

    # Asking

    def auth(self):
        return [("x-api-key", self.site.key.text), ("content-type", "application/json")]

    def post(self, body, path="/v1/messages", headers=None, keep=False, limit=30):
        """A call, sent and left open."""
        headers = self.auth() if headers is None else headers
        return fastcgi.Exchange(self.address, limit).ask("POST", path, headers, body, keep)

    def get(self, path, limit=30):
        return fastcgi.request(self.address, "GET", path, self.auth(), limit=limit)

    def serves(self, model="echo-model", limit=10):
        with self.post(messages.body(model), limit=limit) as call:
            call.read()
        assert call.status == 200, f"{call.status} {call.body[:500]!r}\n{self.text()[-3000:]}"
        return call
