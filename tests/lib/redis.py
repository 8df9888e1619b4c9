"""A scratch Redis, and places for web servers that share it: network namespaces, or this machine as it is.

In a place that is a namespace of its own nothing is on 127.0.0.1 but what was started there, and Redis is reached over
a wire. Entering one takes root.
"""

import atexit
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import threading

from .ports import accepts, free_port
from .proc import Proc, is_root, scratch_dir

NAMESPACES = "/run/netns"
CLONE_NEWNET = 0x40000000

# Addresses for wires, which no router passes on (RFC 3927); a wire has four of them.
SUBNET = "169.254.{}.{}"


class Redis:
    """A server that keeps what it is told, over a stop too. It is stopped by its own process."""

    def __init__(self, addresses=()):
        self.dir = scratch_dir("redis-")
        self.port = free_port()
        self.addresses = ["127.0.0.1", *addresses]
        self.proc = None

    def url(self, address="127.0.0.1"):
        return f"redis://{address}:{self.port}"

    def start(self):
        argv = ["redis-server", "--port", self.port, "--bind", *self.addresses, "--protected-mode", "no"]
        argv += ["--dir", self.dir, "--save", "", "--appendonly", "yes", "--logfile", self.dir / "redis.log"]
        self.proc = Proc(argv, self.dir / "output.log")
        self.proc.ready(lambda: accepts(self.port) and self.ask("PING") == "PONG", 10, "Redis")
        return self

    def stop(self):
        self.proc.stop()

    def silence(self):
        """Takes connections, and answers nothing until it is resumed."""
        self.proc.send(signal.SIGSTOP)

    def resume(self):
        self.proc.send(signal.SIGCONT)

    def ask(self, *words):
        """A command and what it answers, as text."""
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()

    def close(self):
        if self.proc:
            self.resume()
            self.proc.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Here:
    """This machine as it is."""

    address = "127.0.0.1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def close(self):
        pass


class Namespace:
    """A network namespace with a wire to this one, whose end here has the address. The thread that has entered it
    starts processes and opens sockets there."""

    _made = 0
    _lock = threading.Lock()

    def __init__(self):
        with Namespace._lock:
            Namespace._made += 1
            number = Namespace._made
        self.name = f"pst{os.getpid()}-{number}"
        # Of the process and the number, so that those of other runs are other ones.
        block = (os.getpid() * 4 + number) % (254 * 64)
        high, low = 1 + block // 64, block % 64 * 4
        self.address = SUBNET.format(high, low + 1)
        here, there = f"{self.name}h", f"{self.name}t"
        ip("netns", "add", self.name)
        atexit.register(self.close)
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
        ip("addr", "add", f"{self.address}/30", "dev", here)
        ip("link", "set", here, "up")
        ip("-n", self.name, "addr", "add", SUBNET.format(high, low + 2) + "/30", "dev", there)
        ip("-n", self.name, "link", "set", there, "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"{NAMESPACES}/{self.name}", os.O_RDONLY)
        _enter(there)
        os.close(there)
        return self

    def __exit__(self, *_):
        _enter(self.before)
        os.close(self.before)

    def close(self):
        """Takes it away, and its wire with it; nothing runs in it any more."""
        atexit.unregister(self.close)
        with contextlib.suppress(OSError):
            ip("netns", "del", self.name)


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr}")


def _enter(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def can_separate():
    """Whether namespaces and wires between them can be made here."""
    if not is_root() or not shutil.which("ip"):
        return False
    try:
        Namespace().close()
    except OSError:
        return False
    return True
