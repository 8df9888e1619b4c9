"""Processes of a test: started, waited for with a limit, and always collected, whatever the test does."""

import atexit
import contextlib
import os
import pathlib
import pwd
import signal
import subprocess
import tempfile
import time

# The account that web servers use on Debian; the program runs under it too where the tests run as root.
WEB_USER = "www-data"

_alive = set()


def wait_until(condition, limit, what):
    """Calls condition until it returns something true and returns that; fails after limit seconds, naming what."""
    end = time.monotonic() + limit
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit} s in vain for {what() if callable(what) else what}")
        time.sleep(0.01)


def is_root():
    return os.geteuid() == 0


def web_ids():
    """User and group id under which the program's files are used: the web server's for root, else our own."""
    if not is_root():
        return os.getuid(), os.getgid()
    entry = pwd.getpwnam(WEB_USER)
    return entry.pw_uid, entry.pw_gid


def as_web_user(argv):
    """The same command under the web server's account, for which only root can ask."""
    return [*_web_user_prefix(), *argv]


def _web_user_prefix():
    if not is_root():
        return []
    uid, gid = web_ids()
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]


def scratch_dir(prefix="postern-"):
    """A new folder that the web server's account can enter and write to; short enough to hold a socket's path."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    path.chmod(0o755)
    give_to_web_user(path)
    return path


def descriptors(pid):
    """What a process has open, by number. It hides that from all but root. What it closes meanwhile may be left out."""
    as_root = [] if is_root() else ["sudo", "-n"]
    listing = ["find", f"/proc/{pid}/fd", "-type", "l", "-printf", "%f %l\\n"]
    lines = subprocess.run([*as_root, *listing], capture_output=True, text=True).stdout.splitlines()
    return {int(number): target for number, target in (line.split(" ", 1) for line in lines)}


def program_of(pid):
    """The (device, inode) of the program that a process runs."""
    as_root = [] if is_root() else ["sudo", "-n"]
    stat = [*as_root, "stat", "-L", "-c", "%d %i", f"/proc/{pid}/exe"]
    device, inode = subprocess.run(stat, check=True, capture_output=True, text=True).stdout.split()
    return int(device), int(inode)


def give_to_web_user(path):
    if is_root():
        os.chown(path, *web_ids())


def running(program):
    """The ids of all processes that run a program, by its path."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(process / "exe") == str(program):
                found.append(int(process.name))
    return sorted(found)


class Proc:
    """A child process in a session of its own. It dies with the test run even when that is killed."""

    def __init__(self, argv, log, env=None, cwd="/", web_user=False):
        self.log = pathlib.Path(log)
        # setpriv replaces itself by the command, so the process id stays right.
        prefix = (_web_user_prefix() if web_user else []) or ["setpriv"]
        argv = [*prefix, "--pdeathsig", "TERM", *(str(a) for a in argv)]
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        _alive.add(self)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def send(self, number):
        if self.running():
            self.child.send_signal(number)

    def wait(self, limit):
        """The exit status, within limit seconds."""
        return self.child.wait(limit)

    def ready(self, condition, limit, what):
        """Waits for the condition; fails at once, with the log, when the process ends before it."""

        def look():
            assert self.running(), f"{what}: process ended with {self.child.returncode}\n{self.text()}"
            return condition()

        wait_until(look, limit, lambda: f"{what}\n{self.text()}")

    def stop(self, number=signal.SIGTERM, limit=10):
        """Ends the process and what is left of its session. Returns how many seconds it took to obey."""
        began = time.monotonic()
        obeyed = True
        self.send(number)
        try:
            self.child.wait(limit)
        except subprocess.TimeoutExpired:
            obeyed = False
        took = time.monotonic() - began
        self.kill()
        assert obeyed, f"process {self.pid} still ran {limit} s after signal {number}\n{self.text()}"
        return took

    def kill(self):
        """Ends the whole session at once and collects the child."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()
        _alive.discard(self)

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def _collect():
    for proc in list(_alive):
        proc.kill()


atexit.register(_collect)
