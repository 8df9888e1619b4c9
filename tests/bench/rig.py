"""What the measurements share: the helpers in C, the servers, and reading what they cost. Everything is on 127.0.0.1."""

import atexit
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "bench"

sys.path.insert(0, str(ROOT / "tests"))

from lib import hosts, ports, postern, proc  # noqa: E402

# The released defaults; those of the tests are short.
OPTIONS = {"commit_s": 5, "ping_s": 10, "upstream_first_s": 600, "upstream_idle_s": 120, "drain_s": 5}

# lighttpd's own defaults stop at about 2,000 connections with two descriptors each.
LIMITS = "server.max-fds = 16384\nserver.max-connections = 8000\n"


def say(text):
    print(f"# {text}", file=sys.stderr, flush=True)


def remove_at_exit(folder):
    """Folders with a million keys must not be left behind, also when a measurement fails."""
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


# What these measure is the program's own code.
LINKED = ("decoder", "limits", "lookup")
PACKAGES = ("fcgi", "libcurl", "json-c", "libconfuse", "lmdb", "hiredis", "libssl", "libcrypto", "zlib")


def compile_helpers(names=None):
    """Those of the names; without any all."""
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run(["make", "-s", "build/libpostern.a"], cwd=ROOT, check=True)
    asked = subprocess.run(["pkg-config", "--libs", *PACKAGES], check=True, capture_output=True, text=True)
    linked = [ROOT / "build" / "libpostern.a", *asked.stdout.split(), "-pthread"]
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", f"-I{ROOT}/src"]
    for source in sorted(HERE.glob("*.c")):
        if names and source.stem not in names:
            continue
        command = ["gcc", *flags, "-o", BUILD / source.stem, source, *(linked if source.stem in LINKED else [])]
        subprocess.run([str(part) for part in command], check=True)


def numbers(text, last):
    """The `name number` pairs of the last line that begins with the word."""
    lines = [line for line in text.splitlines() if line.startswith(last + " ")]
    if not lines:
        raise RuntimeError(f"no line with {last!r} in:\n{text}")
    words = lines[-1].split()
    return {name: int(value) for name, value in zip(words[::2], words[1::2])}


class Upstream:
    """The stand-in for the Messages API."""

    def __init__(self, *argv):
        self.log = remove_at_exit(proc.scratch_dir()) / "upstream.log"
        self.proc = proc.Proc(argv or [BUILD / "upstream"], self.log)
        self.proc.ready(lambda: "port" in self.proc.text(), 5, "the upstream")
        self.port = numbers(self.proc.text(), "port")["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self):
        self.proc.stop()


class OneProcess(postern.Pool):
    """The program as one process that serves by itself."""

    def pids(self):
        return [self.proc.pid]

    def start(self):
        argv = [self.site.bin, "serve", "--config", self.site.conf, "--listen", f"unix:{self.socket}"]
        self.proc = proc.Proc([*argv, "--threads", self.threads], self.log, web_user=True)
        self.proc.ready(self.listens, 10, "the program's socket")
        return self


class Workers(postern.Pool):
    """The program as the shipped unit runs it."""

    def pids(self):
        return self.worker_pids()


class Gate(hosts.LighttpdSocket):
    """lighttpd with the shipped configuration, and the program behind it."""

    reload_settings = LIMITS

    def __init__(self, upstream, threads=64, workers=0, **options):
        super().__init__(upstream.url, **{**OPTIONS, **options})
        kind = Workers if workers else OneProcess
        self.pool = kind(self.site, workers=workers, threads=threads)
        self.answered = 0
        remove_at_exit(self.site.dir)

    @property
    def key(self):
        return self.site.key.text

    def measure(self, seconds):
        """Small calls as wrk makes them; requests/s, and the program's CPU for one in microseconds."""
        before = sum(map(cpu_s, self.pool.pids()))
        seen = wrk(self.port, self.key, seconds)
        self.answered += seen["requests"]
        return seen["per_s"], (sum(map(cpu_s, self.pool.pids())) - before) * 1e6 / seen["requests"]

    def booked(self, limit=10):
        """How many lines the ledger has as soon as there is one for each of the calls that were measured."""

        def count():
            return sum(sum(1 for _ in open(path)) for path in self.site.state.glob("ledger-*.jsonl"))

        proc.wait_until(lambda: count() >= self.answered, limit, lambda: f"{self.answered} lines, there are {count()}")
        return count()

    def check_logs(self):
        """Nothing: a benchmark writes hundreds of thousands of lines, and reading them is the tests' business."""


# The same modules and features as the other lighttpd has, which are Debian's.
PROXY = """
server.modules = ( "mod_indexfile", "mod_access", "mod_alias", "mod_redirect", "mod_proxy" )
server.feature-flags += ( "server.h2proto" => "enable", "server.h2c" => "enable" )
index-file.names = ( "index.php", "index.html" )
url.access-deny = ( "~", ".inc" )
static-file.exclude-extensions = ( ".php", ".pl", ".fcgi" )
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{dir}"
server.upload-dirs = ( "{dir}" )
server.errorlog = "{dir}/server.log"
{account}
proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => {upstream} )) )
server.modules += ( "mod_dirlisting", "mod_staticfile" )
""" + LIMITS


class Proxy:
    """lighttpd with its own mod_proxy before the same upstream."""

    key = "none"

    def __init__(self, upstream):
        self.dir = remove_at_exit(proc.scratch_dir())
        self.port = ports.free_port()
        account = f'server.username = "{proc.WEB_USER}"\nserver.groupname = "{proc.WEB_USER}"' if proc.is_root() else ""
        conf = self.dir / "lighttpd.conf"
        conf.write_text(PROXY.format(port=self.port, dir=self.dir, upstream=upstream.port, account=account))
        self.proc = proc.Proc(["/usr/sbin/lighttpd", "-D", "-f", conf], self.dir / "output.log")
        self.proc.ready(lambda: ports.accepts(self.port), 10, "lighttpd with mod_proxy")

    def close(self):
        self.proc.stop()


def wrk(port, key, seconds, connections=32):
    """Small calls as fast as they are answered; returns requests/s and what wrk saw, among which nothing is bad."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "calls.lua"),
         f"http://127.0.0.1:{port}/v1/messages", "--", key],
        check=True, capture_output=True, text=True, timeout=seconds + 30,
    )
    seen = numbers(done.stdout, "requests")
    seen["per_s"] = seen["requests"] * 1e6 / seen["microseconds"]
    if seen["bad"]:
        raise RuntimeError(f"calls failed: {seen}")
    return seen


def memory(pid):
    """Resident memory of a process in MB: now, and at its highest."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(name + r":\s+(\d+) kB", text)[1]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))


def cpu_s(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
