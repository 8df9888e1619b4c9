"""The program as a process: signals, descriptors, workers, threads, and what it lives through without a web server's help."""

import collections
import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import fastcgi
import pytest
from lib import checks, hosts, messages, scripts
from lib.client import Ended
from lib.proc import Proc, descriptors, give_to_web_user, is_root, program_of, scratch_dir, wait_until
from standalone import Gate, on_descriptor_0, service_manager


@pytest.fixture
def gates(upstream):
    """Makes scratch gates, and ends them with the test."""
    made = []

    def make(start=True, env=None, **options):
        made.append(Gate(upstream.url, **options))
        return made[-1].start(env) if start else made[-1]

    yield make
    for one in made:
        one.close()


@contextlib.contextmanager
def running_stream(gate_, upstream, gate, count=1):
    """Streams that run until the gate is set, each of which has sent something."""
    model = messages.unique_model("steady")
    upstream.on(model, scripts.steady(gate))
    with contextlib.ExitStack() as stack:
        calls = [stack.enter_context(gate_.post(messages.body(model, stream=True))) for _ in range(count)]
        for call in calls:
            assert call.until("content_block_delta")
        yield calls


def finished(call):
    assert checks.explicit_end(call, 10) == "message_stop"
    assert call.ended == "clean"


@contextlib.contextmanager
def callers(count, ask):
    """So many that ask(number) again and again; gives what their answers were, which is whole at the end."""
    stop = threading.Event()
    seen = collections.Counter()

    def run(number):
        while not stop.is_set():
            try:
                seen[ask(number)] += 1
            except Exception as fault:
                seen[repr(fault)] += 1

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        running = pool.map(run, range(count))
        try:
            yield seen
        finally:
            stop.set()
        list(running)


def refused_by_socket(gate_):
    return not gate_.served()


# Workers


def test_killed_workers_are_replaced(gates, upstream, gate):
    """Calls go on while one worker after the other is killed, and streams of the others come to their end."""
    g = gates(workers=3)
    stop = threading.Event()
    statuses = []

    def ask():
        while not stop.is_set():
            with g.post(messages.body("echo-model")) as call:
                try:
                    statuses.append(call.read().status)
                except Exception as fault:  # a killed worker takes its own calls with it
                    statuses.append(type(fault).__name__)

    streams = running_stream(g, upstream, gate, count=6)
    with streams as calls, concurrent.futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            for _ in range(4):
                victim = wait_until(lambda: len(g.children()) == 3 and g.children()[0], 10, "three workers")
                ready = g.ready_count()
                os.kill(victim, signal.SIGKILL)
                wait_until(lambda: g.ready_count() > ready, 10, "a new worker")
        finally:
            stop.set()
        asking.result(10)
        gate.set()
        for call in calls:
            checks.explicit_end(call, 10)
    good = statuses.count(200)
    assert good >= 10 and len(statuses) - good <= 4, statuses
    for _ in range(6):
        g.serves()


def test_other_workers_streams_are_whole(gates, upstream, gate):
    """Of many streams over three workers, only those of the killed one are cut."""
    g = gates(workers=3)
    wait_until(lambda: len(g.children()) == 3, 5, "three workers")
    with running_stream(g, upstream, gate, count=9) as calls:
        holders = {pid: _connections(pid) for pid in g.children()}
        victim = max(holders, key=holders.get)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in g.children() and len(g.children()) == 3, 10, "a new worker")
        gate.set()
        ends = [checks.explicit_end(call, 10) for call in calls]
    assert 9 - ends.count("message_stop") <= holders[victim], (ends, holders)


def _connections(pid):
    """How many sockets a process holds; each stream has two of them."""
    return sum(target.startswith("socket:") for target in descriptors(pid).values()) // 2


def test_worker_that_does_not_start_is_not_started_without_end(gates):
    """A worker that dies at once is tried again about once a second, not as fast as the machine can."""
    g = gates(workers=1)
    begun = time.monotonic()
    while time.monotonic() - begun < 3:
        for pid in g.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    assert g.text().count('what="started"') <= 6
    wait_until(g.children, 5, "a worker")
    g.serves()


def test_worker_that_does_not_start_is_waited_for_longer_and_longer(gates):
    g = gates(workers=1)
    starts = []
    while len(starts) < 4:
        [pid] = wait_until(g.children, 15, "a worker")
        starts.append(time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in g.children(), 5, "its end")
    waits = [b - a for a, b in zip(starts[1:], starts[2:])]
    assert waits[1] > waits[0] * 1.5, waits


class Manager:
    """The socket of a service manager, and what came in."""

    def __init__(self, path, abstract):
        self.name = "@" + path.name + str(os.getpid()) if abstract else str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + self.name[1:] if abstract else self.name)
        if not abstract:
            os.chmod(path, 0o777)
        self.seen = []

    def hear(self, limit=20):
        self.sock.settimeout(limit)
        self.seen.append(self.sock.recv(4096).decode())
        return self.seen[-1]


@pytest.mark.parametrize("abstract", [False, True])
@pytest.mark.parametrize("workers", [None, 3])
def test_service_manager_is_told(gates, workers, abstract):
    manager = Manager(scratch_dir("postern-notify-") / "notify", abstract)
    g = gates(workers=workers, env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "400000"})
    while manager.hear() != "READY=1":
        pass
    assert g.ready_count() >= (workers or 1), "it was told before all served"
    assert [manager.hear(), manager.hear()] == ["WATCHDOG=1"] * 2
    g.proc.send(signal.SIGTERM)
    while manager.hear() == "WATCHDOG=1":
        pass
    assert manager.seen[-1] == "STOPPING=1" and manager.seen.count("READY=1") == 1
    manager.sock.close()


def test_workers_end_with_their_supervisor(gates):
    g = gates(workers=2)
    workers = wait_until(lambda: len(g.children()) == 2 and g.children(), 5, "two workers")
    g.proc.send(signal.SIGKILL)
    wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in workers), 10, "the workers to end")
    wait_until(lambda: refused_by_socket(g), 5, "the socket to be closed")


def test_supervisor_whose_parent_ignores_sigchld(gates):
    """Some parents do, and it is inherited: killed workers are replaced and a stop is obeyed all the same."""
    ignoring = ("/usr/bin/python3", "-c", IGNORE_SIGCHLD)
    g = gates(workers=2, under=ignoring)
    victim = wait_until(lambda: len(g.children()) == 2 and g.children(), 5, "two workers")[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len([p for p in g.children() if p != victim]) == 2, 5, "a new worker")
    assert g.stop(limit=8) == 0


IGNORE_SIGCHLD = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])
"""


# Stopping

WORKERS = pytest.mark.parametrize("workers", [None, 2], ids=["alone", "workers"])


@WORKERS
def test_stop_drains(gates, upstream, gate, workers):
    g = gates(workers=workers)
    with running_stream(g, upstream, gate, count=2) as calls:
        g.proc.send(signal.SIGTERM)
        wait_until(lambda: refused_by_socket(g), 1, "new connections to be refused")
        for call in calls:
            assert call.until("content_block_delta", limit=2)
        gate.set()
        for call in calls:
            finished(call)
    assert g.proc.wait(3) == 0
    assert not g.socket.exists()


@WORKERS
def test_stop_ends_what_does_not_end(gates, upstream, gate, workers):
    g = gates(workers=workers, drain_s=1)
    with running_stream(g, upstream, gate) as (call,):
        begun = time.monotonic()
        g.proc.send(signal.SIGTERM)
        checks.error_event(call, "overloaded_error", limit=5)
        assert call.ended == "clean"
        assert 0.9 < time.monotonic() - begun < 4
    assert g.proc.wait(3) == 0


@WORKERS
def test_second_signal_cuts_at_once(gates, upstream, gate, workers):
    g = gates(workers=workers, drain_s=60)
    with running_stream(g, upstream, gate) as (call,):
        g.proc.send(signal.SIGTERM)
        wait_until(lambda: refused_by_socket(g), 2, "new connections to be refused")
        wait_until(lambda: 'what="stopping"' in g.text(), 2, "the drain to begin")
        g.proc.send(signal.SIGTERM)
        begun = time.monotonic()
        checks.error_event(call, "overloaded_error", limit=5)
        assert g.proc.wait(5) == 0
        assert time.monotonic() - begun < 2


def test_signal_to_the_whole_group_drains(gates, upstream, gate):
    """Ctrl-C, and service managers that signal every process: the workers hear it twice, and it is still one stop."""
    g = gates(workers=2, drain_s=20)
    with running_stream(g, upstream, gate) as (call,):
        # In turn, since two pending ones may melt into one.
        for pid in g.children():
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: g.text().count('what="stopping"') == 2, 5, "the workers to hear it")
        os.kill(g.proc.pid, signal.SIGTERM)
        wait_until(lambda: refused_by_socket(g), 2, "new connections to be refused")
        for _ in range(5):
            assert call.until("content_block_delta", limit=2)
        gate.set()
        finished(call)
    assert g.proc.wait(5) == 0


def test_stop_with_a_client_that_does_not_read(gates, upstream, model, gate):
    """A call that hangs in a write can't be told to end; the process ends nevertheless."""
    g = gates(drain_s=1)
    upstream.on(model, scripts.steady(gate, gap=0))
    with g.post(messages.body(model, stream=True)) as call:
        assert call.until("content_block_delta")
        upstream.wait_request(model)
        begun = time.monotonic()
        g.proc.send(signal.SIGTERM)
        assert g.proc.wait(10) == 0
        assert time.monotonic() - begun < 7


def test_stop_in_quiet_is_prompt(gates):
    for workers in (None, 2):
        g = gates(workers=workers)
        g.serves()
        begun = time.monotonic()
        assert g.stop() == 0
        assert time.monotonic() - begun < 2


def test_new_one_beside_one_that_drains(gates, upstream, gate):
    """A restart while a stream runs: the socket belongs to the new process, also after the old one has ended."""
    g = gates(drain_s=20)
    old = g.proc
    with running_stream(g, upstream, gate) as (call,):
        old.send(signal.SIGTERM)
        wait_until(lambda: refused_by_socket(g), 2, "new connections to be refused")
        g.start()
        g.serves()
        gate.set()
        finished(call)
    assert old.wait(5) == 0
    g.serves()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2, signal.SIGPIPE, signal.SIGALRM, signal.SIGWINCH])
def test_other_signals_do_no_harm(gates, upstream, gate, number):
    g = gates(workers=2)
    workers = wait_until(lambda: len(g.children()) == 2 and g.children(), 5, "two workers")
    with running_stream(g, upstream, gate, count=2) as calls:
        renews = number in (signal.SIGHUP, signal.SIGUSR2)  # the supervisor, see below
        for pid in workers if renews else [g.proc.pid, *workers]:
            for _ in range(3):
                os.kill(pid, number)
        for _ in range(3):
            g.serves()
        gate.set()
        for call in calls:
            finished(call)
    assert g.proc.running() and g.children() == workers


# A new binary


class Renewable:
    """A gate whose program is a file of its own, so that it can be replaced."""

    def __init__(self, gates, **options):
        env = options.pop("env", None)
        self.gate = gates(start=False, workers=2, **options)
        self.bin = self.gate.site.dir / "postern"
        self.original = self.gate.site.bin
        self.gate.site.bin = self.bin
        self.replace()
        self.gate.start(env)

    def replace(self, script=None):
        """Puts a new file in the program's place, as a package manager does: a copy of it, or a script."""
        new = self.bin.with_suffix(".new")
        if script is None:
            shutil.copy(self.original, new)
        else:
            new.write_text(f"#!/bin/sh\n{script}\n")
        new.chmod(0o755)
        new.rename(self.bin)

    def runs(self):
        """Whether the supervisor is an image of the file that is there now."""
        there = self.bin.stat()
        return program_of(self.gate.proc.pid) == (there.st_dev, there.st_ino)

    def renew(self, number=signal.SIGHUP):
        """Replaces the program and tells it; returns once the new one's workers serve."""
        ready = self.gate.ready_count()
        self.replace()
        assert not self.runs()
        self.gate.proc.send(number)
        wait_until(lambda: self.gate.ready_count() >= ready + 2, 20, "two new workers")
        assert self.runs()

    def stays(self, what, limit=20):
        """Tells it, and makes sure that it goes on as it was."""
        workers = self.gate.children()
        self.gate.proc.send(signal.SIGHUP)
        wait_until(lambda: what in self.gate.text(), limit, what)
        assert self.gate.children() == workers and not self.runs()
        self.gate.serves()


LISTENING = {"unix": {}, "tcp": {"listen": "tcp"}, "descriptor 0": {"listen": "0", "under": on_descriptor_0()}}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
@pytest.mark.parametrize("listening", LISTENING)
def test_new_binary(gates, upstream, gate, listening, number):
    """It serves in the same process, on the same socket, while the old one's streams come to their end."""
    r = Renewable(gates, **LISTENING[listening])
    g = r.gate
    old = wait_until(lambda: len(g.children()) == 2 and g.children(), 5, "two workers")
    with running_stream(g, upstream, gate, count=4) as calls:
        holders = {pid for pid in old if _connections(pid)}
        r.renew(number)
        wait_until(lambda: len(set(g.children()) - set(old)) == 2, 5, "new workers")
        for _ in range(6):
            g.serves()
        assert holders <= set(g.children())
        gate.set()
        for call in calls:
            finished(call)
    wait_until(lambda: not set(old) & set(g.children()), 5, "the old workers to end")
    g.serves()
    assert g.stop() == 0
    if listening == "unix":
        assert not g.socket.exists()


def test_new_binaries_one_after_the_other(gates, upstream, gate):
    """Streams of all that came before go on, and a stop lets them finish."""
    r = Renewable(gates, drain_s=20)
    g = r.gate
    with contextlib.ExitStack() as stack:
        calls = []
        for _ in range(3):
            calls += stack.enter_context(running_stream(g, upstream, gate, count=2))
            r.renew()
        g.proc.send(signal.SIGTERM)
        wait_until(lambda: refused_by_socket(g), 5, "new connections to be refused")
        gate.set()
        for call in calls:
            finished(call)
    assert g.proc.wait(10) == 0


@WORKERS
def test_restart_under_load(gates, upstream, workers):
    """With a socket that a service manager holds, a restart loses no call that ends within drain_s."""
    g = gates(workers=workers, listen="0", under=service_manager(), drain_s=20)
    upstream.on("half-a-second", scripts.stream(texts=["x"] * 5, gap=0.1))

    def ask(number):
        streams = number % 2 == 1
        with g.post(messages.body("half-a-second", stream=True) if streams else messages.body("echo-model")) as call:
            return call.read().status, streams and b"event: message_stop" in call.body

    with callers(8, ask) as seen:
        for _ in range(4):
            ready = g.ready_count()
            g.proc.send(signal.SIGHUP)
            wait_until(lambda: g.ready_count() >= ready + (workers or 1), 20, "the new process")
            before = sum(seen.values())
            wait_until(lambda: sum(seen.values()) > before + 50, 10, "calls")
    assert set(seen) == {(200, False), (200, True)}, seen
    assert g.stop(30) == 0


def test_new_binary_under_load(gates):
    """Not one call fails while it is renewed time and again."""
    r = Renewable(gates)

    def ask(_):
        with r.gate.post(messages.body("echo-model")) as call:
            return call.read().status

    with callers(4, ask) as seen:
        for _ in range(5):
            before = seen[200]
            r.renew()
            wait_until(lambda: seen[200] >= before + 50, 10, "calls")
    assert set(seen) == {200}, seen


@pytest.mark.parametrize(
    "script",
    ["exit 1", "kill -SEGV $$", "exec /nonexistent", "exec sleep 600"],
    ids=["fails", "crashes", "is broken", "says nothing"],
)
def test_new_binary_that_does_not_start(gates, script):
    """The old one goes on."""
    r = Renewable(gates)
    r.replace(script)
    r.stays("the program would not start", limit=30)


def test_new_binary_with_a_broken_config(gates):
    r = Renewable(gates)
    r.gate.site.conf.write_text("nonsense = 1\n")
    r.replace()
    r.stays("the program would not start")


def test_service_manager_is_told_of_a_new_binary(gates):
    manager = Manager(scratch_dir("postern-notify-") / "notify", abstract=False)
    r = Renewable(gates, env={"NOTIFY_SOCKET": manager.name})
    assert manager.hear() == "READY=1"
    r.renew()
    assert manager.hear().startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert manager.hear() == "READY=1"


# Listening


def test_tcp(gates, upstream, model):
    g = gates(listen="tcp", workers=2)
    with g.post(messages.body(model, stream=True)) as call:
        finished(call)
    g.proc.send(signal.SIGTERM)
    wait_until(lambda: refused_by_socket(g), 2, "new connections to be refused")
    assert g.proc.wait(5) == 0


def _starts_not(g, *words):
    """Another start of the same program ends at once, and says why."""
    log = g.site.dir / "second.log"
    second = Proc(g.argv(), log, web_user=True)
    try:
        wait_until(lambda: not second.running() or 'what="ready"' in second.text(), 10, "the program to start or to end")
        assert not second.running(), "it started"
        assert second.child.returncode == 1, (second.child.returncode, second.text())
        for word in words:
            assert word in second.text(), second.text()
    finally:
        second.kill()


def test_root_is_told(gates):
    """It needs no rights of root, and says so to who gives them to it."""
    g = gates()
    assert "runs as root" not in g.text()
    as_root = [] if is_root() else ["sudo", "-n"]
    serve = [g.site.bin, "serve", "--config", g.site.conf, "--listen", f"unix:{g.socket}"]
    done = subprocess.run([*as_root, *map(str, serve)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "runs as root" in done.stderr, done


@pytest.mark.parametrize("listen", ["unix", "tcp"])
def test_used_address_is_refused(gates, listen):
    g = gates(listen=listen)
    _starts_not(g, "cannot listen", "in use" if listen == "tcp" else "another process")
    g.serves()


def test_stale_socket_is_taken_over(gates):
    g = gates()
    g.proc.send(signal.SIGKILL)
    g.proc.wait(5)
    assert g.socket.is_socket()
    g.start()
    g.serves()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_not_removed(gates, kind):
    """A slip of the pen in --listen costs nobody a file."""
    g = gates(start=False)
    if kind == "file":
        g.socket.write_text("precious")
        give_to_web_user(g.socket)
    elif kind == "folder":
        g.socket.mkdir()
    else:
        g.socket.symlink_to(g.site.conf)
    _starts_not(g, "cannot listen")
    assert os.path.lexists(g.socket) and (kind != "file" or g.socket.read_text() == "precious")


def test_used_socket_of_another_account_is_not_taken(gates):
    """It can't be tried, for want of permission, and it is in use."""
    g = gates(start=False)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as theirs:
        theirs.bind(str(g.socket))
        theirs.listen(1)
        g.socket.chmod(0o600 if is_root() else 0)
        inode = g.socket.stat().st_ino
        _starts_not(g, "cannot listen")
        assert g.socket.stat().st_ino == inode


def test_socket_is_for_owner_and_group(gates):
    assert stat.S_IMODE(gates().socket.stat().st_mode) == 0o660


@pytest.mark.parametrize("blocking", ["blocking", "non-blocking"])
@WORKERS
def test_descriptor_0(gates, upstream, gate, blocking, workers):
    g = gates(listen="0", workers=workers, under=on_descriptor_0(blocking))
    g.serves()
    with running_stream(g, upstream, gate) as (call,):
        g.proc.send(signal.SIGTERM)
        wait_until(lambda: refused_by_socket(g), 2, "new connections to be refused")
        gate.set()
        finished(call)
    assert g.proc.wait(5) == 0


def test_spawn_fcgi(gates, upstream, model):
    g = gates(listen="0", workers=2, under=("/usr/bin/spawn-fcgi", "-n", "-s", "{socket}", "--"))
    with g.post(messages.body(model, stream=True)) as call:
        finished(call)
    assert g.stop() == 0


# Descriptors and limits


def test_soft_limit_of_descriptors_is_raised(gates):
    g = gates(under=("prlimit", "--nofile=256:4096"))
    limits = pathlib.Path(f"/proc/{g.proc.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert line.split()[3] == "4096", line


@pytest.mark.parametrize("listen", ["unix", "0"])
def test_standard_error_closed(gates, upstream, gate, listen):
    """What is logged goes nowhere; least of all into a file, a connection or a counter that got the free number."""
    closed = ("/bin/sh", "-c", 'exec "$@" 2>&- >&-', "sh")
    under = (*(on_descriptor_0() if listen == "0" else ()), *closed)
    g = gates(start=False, listen=listen, under=under)
    g.ready_count = lambda: 1 if g.socket.is_socket() and g.served() else -1
    g.start()
    for _ in range(3):
        g.serves()
    model = messages.unique_model()
    with g.post(messages.body(model, stream=True)) as call:
        finished(call)
    with g.post(b"{") as call:
        checks.refused(call.read(), 400, "invalid_request_error")
    for path in g.site.state.iterdir():
        assert b"level=" not in path.read_bytes(), path
    for number in (1, 2):
        assert descriptors(g.proc.pid)[number] == "/dev/null", number
    assert g.stop() == 0


def test_standard_error_that_nobody_reads_any_more(gates):
    """A log pipe whose reader is gone costs log lines and nothing else."""
    broken = ("/bin/bash", "-c", 'exec 2> >(exit 0); wait $!; exec "$@"', "bash")
    g = gates(start=False, under=broken)
    g.ready_count = lambda: 1 if g.socket.is_socket() and g.served() else -1
    g.start()
    for _ in range(3):
        g.serves()
    assert g.stop() == 0


# Threads


@pytest.mark.parametrize("threads", [2, 4])
def test_one_caller_finds_a_thread_from_the_start(gates, threads):
    """Threads that are still starting are as good as free: one call after the other is never too much."""
    for _ in range(6):
        g = gates(threads=threads)
        for _ in range(2 * threads):
            g.serves()
        g.stop()


@pytest.mark.parametrize("threads", [2, 4])
def test_more_callers_than_threads(gates, upstream, gate, threads):
    """What can't be served now is told so at once."""
    g = gates(threads=threads)
    with running_stream(g, upstream, gate, count=threads - 1) as calls:
        for _ in range(2 * threads):
            begun = time.monotonic()
            with g.post(messages.body("echo-model"), limit=3) as call:
                checks.refused(call.read(), 529, "overloaded_error")
                assert call.headers["retry-after"].isdigit()
            assert time.monotonic() - begun < 1
        gate.set()
        for call in calls:
            finished(call)
    g.serves()


def test_many_callers_at_once(gates, upstream, model):
    """None hangs, and each gets an answer or a 529."""
    g = gates(threads=4)
    upstream.on(model, scripts.message(after=0.3))

    def ask(_):
        with g.post(messages.body(model), limit=15) as call:
            return call.read().status

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(ask, range(48)))
    assert set(statuses) <= {200, 529} and statuses.count(200) >= 3, statuses
    g.serves()


@pytest.mark.parametrize("listen", ["unix", "tcp"])
def test_silent_peers_keep_nobody_waiting(gates, listen):
    g = gates(listen=listen, threads=4)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(contextlib.closing(fastcgi.connect(g.address))) for _ in range(50)]
        for _ in range(5):
            begun = time.monotonic()
            g.serves(limit=3)
            assert time.monotonic() - begun < 1
        # One that speaks at last is served like any other.
        silent[0].sendall(fastcgi.whole("GET", "/healthz"))
        assert b"ok\n" in silent[0].recv(4096)


def test_peers_that_stop_in_their_first_record_keep_nobody_waiting(gates):
    """More of them than threads, each with half a header sent."""
    g = gates(threads=4)
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            half = stack.enter_context(contextlib.closing(fastcgi.connect(g.address)))
            half.sendall(fastcgi.begin()[:5])
        begun = time.monotonic()
        with g.post(messages.body("echo-model"), limit=5) as call:
            assert call.read().status in (200, 529)
        assert time.monotonic() - begun < 3


def test_peers_that_take_all_descriptors(gates):
    """They are let go after a while, so that others are served again."""
    g = gates(threads=2, under=("prlimit", "--nofile=64:64"))
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(contextlib.closing(fastcgi.connect(g.address)))

        def served():
            with contextlib.suppress(OSError, AssertionError, Ended):
                g.serves(limit=1)
                return True

        wait_until(served, 10, "a call to be served")
    wait_until(served, 5, "a call to be served")


@pytest.mark.parametrize("listen", ["unix", "0"])
@pytest.mark.parametrize("limit", range(40, 52, 2))
def test_threads_that_find_no_descriptor(gates, upstream, gate, listen, limit):
    """With as many streams as descriptors allow, nobody gets what is another's, and later calls are served."""
    under = (*(on_descriptor_0() if listen == "0" else ()), "prlimit", f"--nofile={limit}:{limit}")
    g = gates(listen=listen, threads=64, under=under)
    at_0 = descriptors(g.proc.pid)[0]
    model = messages.unique_model("steady")
    upstream.on(model, scripts.steady(gate))
    with contextlib.ExitStack() as stack:
        calls = [stack.enter_context(g.post(messages.body(model, stream=True))) for _ in range(16)]
        heads = []
        for call in calls[:6]:
            with contextlib.suppress(OSError, Ended):
                heads.append(call.read_head(limit=1).status)
        assert set(heads) & {200, 502, 529}, heads
        gate.set()
    assert descriptors(g.proc.pid)[0] == at_0

    def served():
        with contextlib.suppress(OSError, AssertionError, Ended):
            g.serves(limit=1)
            return True

    wait_until(served, 10, lambda: f"a call to be served\n{g.text()[-3000:]}")
    for _ in range(10):
        g.serves()
    g.site.ledger()
    assert g.stop() == 0


@pytest.mark.parametrize("late", [False, True], ids=["at-once", "late"])
@pytest.mark.parametrize("size", [100, 20_000, 300_000])
def test_refusal_on_a_kept_connection(gates, size, late):
    """What is left of a body that nobody wants does not spoil the connection that the host keeps."""
    g = gates(threads=4)
    body = messages.body("echo-model", text="x" * size)
    refused = fastcgi.whole("POST", "/v1/messages", [("x-api-key", "wrong")], body, keep=True)
    cut = len(refused) - len(body) // 2 if late else len(refused)
    with fastcgi.Exchange(g.address) as call:
        call.method = "POST"
        sender = threading.Thread(target=lambda: call.put(refused[:cut]))
        sender.start()
        if late:
            wait_until(lambda: not sender.is_alive() or call.status, 5, "the first part to be sent")
            call.put(refused[cut:])
        checks.refused(call.read(), 401, "authentication_error")
        sender.join(5)
        call.again().ask("POST", "/v1/messages", g.auth(), messages.body("echo-model"), keep=True)
        assert call.read(5).status == 200


class KeptApache(hosts.ApacheProxy):
    """As the shipped file advises against."""

    def take_shipped(self):
        path = super().take_shipped()
        text = pathlib.Path(path).read_text()
        pathlib.Path(path).write_text(text.replace("enablereuse=off", "enablereuse=on"))
        return path


class KeptNginx(hosts.Nginx):
    def take_shipped(self):
        path = super().take_shipped()
        text = pathlib.Path(path).read_text()
        pathlib.Path(path).write_text(text.replace("fastcgi_keep_conn off", "fastcgi_keep_conn on"))
        return path

    def write(self, name, text):
        return super().write(name, text.replace("postern.sock; }", "postern.sock; keepalive 32; }"))


@pytest.mark.parametrize("kind", [KeptApache, KeptNginx])
def test_kept_connections_of_a_host(upstream, kind):
    """More kept connections than threads: none of them holds a thread while nothing happens on it."""
    host = kind(upstream.url)
    host.pool.threads, host.pool.workers = 8, 1
    host.start()
    model = messages.unique_model()
    upstream.on(model, scripts.message(after=0.05))

    def ask():
        with host.post(messages.body(model)) as call:
            return call.read(10)

    def until_served(_):
        """As clients do: a 529 is tried again."""
        for _ in range(200):
            answer = ask()
            if answer.status != 529:
                return answer
            time.sleep(0.02)
        return answer

    try:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(until_served, range(64)))
        assert [a.status for a in answers] == [200] * 64, [(a.status, a.body[:200]) for a in answers if a.status != 200]
        for _ in range(20):
            begun = time.monotonic()
            assert ask().status == 200
            assert time.monotonic() - begun < 2
        # A refusal that leaves the body unread does not spoil the connection for the next call.
        for _ in range(5):
            answer = host.post(messages.body(model, text="x" * 300_000), headers=[("x-api-key", "wrong")]).read(10)
            checks.refused(answer, 401, "authentication_error")
            assert ask().status == 200
        with contextlib.closing(fastcgi.connect(host.pool.socket)) as other:
            other.sendall(fastcgi.whole("GET", "/healthz"))
            assert b"ok\n" in other.recv(4096)
    finally:
        host.close()


def slow_body(port, key, stop):
    """Sends a request whose body comes byte by byte, until it is over or told to stop. Returns the first line."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as sock:
        head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {key}\r\nContent-Length: 100000\r\n\r\n"
        sock.sendall(head.encode() + b"{" * 100)
        with contextlib.suppress(OSError):
            while not stop.wait(0.05):
                sock.sendall(b"{")


def test_slow_bodies_of_strangers_hold_no_threads(upstream):
    """Apache passes a body on as it comes: clients without a key who send theirs byte by byte leave the threads alone."""
    host = hosts.ApacheProxy(upstream.url)
    host.pool.threads, host.pool.workers = 4, 1
    host.start()
    stop = threading.Event()
    try:
        with concurrent.futures.ThreadPoolExecutor(6) as pool, contextlib.ExitStack() as stack:
            stack.callback(stop.set)
            slow = [pool.submit(slow_body, host.port, "wrong", stop) for _ in range(6)]
            wait_until(lambda: host.text().count("status=401") >= 3, 5, "the slow ones to be refused")
            end = time.monotonic() + 2
            while time.monotonic() < end:
                with host.post(messages.body("echo-model")) as call:
                    assert call.read(5).status == 200, call.body
            stop.set()
            for one in slow:
                one.result(10)
    finally:
        host.close()


# Peers that speak no proper FastCGI


def _params(*more, headers=()):
    named = fastcgi.params_of("GET", "/healthz", headers, b"") + list(more)
    return fastcgi.pieces(fastcgi.PARAMS, b"".join(fastcgi.pair(n, v) for n, v in named))


NO_MORE = fastcgi.record(fastcgi.STDIN)
WHOLE = fastcgi.whole("GET", "/healthz")

# What is sent, and how the answer begins; None: there is none, and the connection ends.
RECORDS = {
    "zeros": (bytes(5000), None),
    "ones": (b"\xff" * 70_000, None),
    "http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
    "version": (b"\x02" + WHOLE[1:], None),
    "role": (fastcgi.begin(role=99) + WHOLE[16:], None),
    "request-id-0": (fastcgi.begin(request=0) + WHOLE[16:], None),
    "unknown-management": (fastcgi.record(42, b"x" * 100, 0), b"\x01\x0b"),
    "no-params": (fastcgi.begin() + fastcgi.record(fastcgi.PARAMS) + NO_MORE, b"Status: 404"),
    "abort-at-once": (fastcgi.begin() + fastcgi.record(fastcgi.ABORT), b"Status: 404"),
    "empty-params": (fastcgi.begin() + fastcgi.record(fastcgi.PARAMS, bytes(2000)) + NO_MORE, b"Status: 404"),
    "10000-params": (fastcgi.begin() + _params(*[(b"HTTP_X%d" % i, b"") for i in range(10_000)]) + NO_MORE, b"Status: 200"),
    "huge-param": (fastcgi.begin() + _params((b"HTTP_X", b"v" * 5_000_000)) + NO_MORE, b"Status: 200"),
    "odd-names": (fastcgi.begin() + _params((b"A=B\0C", b"x"), (b"", b"v")) + NO_MORE, b"Status: 200"),
    "padding": (fastcgi.begin() + fastcgi.record(fastcgi.STDIN, padding=255), b"Status: 404"),
    "two-begins": (fastcgi.begin() + WHOLE, b"\x01\x03"),
}


@pytest.fixture(scope="module")
def standing(upstream):
    """A gate for tests that only ask it something."""
    g = Gate(upstream.url, threads=16, upstream_idle_s=2).start()
    yield g
    g.close()


@pytest.mark.parametrize("case", RECORDS)
def test_records(standing, case):
    sent, begins = RECORDS[case]
    with contextlib.closing(fastcgi.connect(standing.address, 5)) as peer:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while data := peer.recv(65536):
                got += data
    if begins is None:
        assert got == b""
    else:
        assert got.startswith(begins) or got[8:].startswith(begins), got[:200]
    assert standing.proc.running()
    standing.serves()


def test_request_byte_by_byte(standing):
    with fastcgi.Exchange(standing.address) as call:
        call.method = "POST"
        for byte in fastcgi.whole("POST", "/v1/messages", standing.auth(), messages.body("echo-model")):
            call.put(bytes([byte]))
        assert call.read().status == 200


@pytest.mark.parametrize("size,lines", [(8000, 5), (60_000, 1), (10, 5000)], ids=["40-KB", "60-KB-line", "5000-lines"])
def test_headers_that_are_too_large_to_forward(standing, model, size, lines):
    """Apache lets a client send far more than what is forwarded; that is the client's fault, not an internal error."""
    headers = [(f"anthropic-x{i}", "a" * size) for i in range(lines)]
    with standing.post(messages.body(model), headers=standing.auth() + headers) as call:
        call.read()
    assert call.status in (200, 400, 413, 431), (call.status, call.body)


def test_headers_cannot_be_forged(standing, upstream, model):
    bad = [("anthropic-beta", "a\r\nX-Evil: 1"), ("user-agent", "u\nX-Evil: 2"), ("anthropic-\r\nX-Evil", "3")]
    with standing.post(messages.body(model), headers=standing.auth() + bad + [("anthropic-good", "yes")]) as call:
        assert call.read().status == 200
    (request,) = upstream.requests(model)
    assert request.header("anthropic-good") == "yes"
    assert request.header("x-evil") is None


# What breaks around it, and is mended


def _answers(g, status, kind):
    with g.post(messages.body("echo-model")) as call:
        checks.refused(call.read(), status, kind)


def _mended(g, limit=5):
    def served():
        with g.post(messages.body("echo-model")) as call:
            return call.read().status == 200

    wait_until(served, limit, lambda: f"calls to be served again\n{g.text()[-3000:]}")


def test_state_folder_that_cannot_be_written(gates):
    g = gates(start=False)
    for path in g.site.state.iterdir():
        path.unlink()
    g.site.state.chmod(0o500)
    g.start()
    _answers(g, 503, "api_error")
    assert g.get("/healthz").status == 503
    g.site.state.chmod(0o750)
    _mended(g)
    assert g.get("/healthz").status == 200


def test_state_folder_is_made(gates):
    """The first start of all: everything that belongs into the folder is there, and nothing is complained of."""
    g = gates(start=False, cooldown_s=30, auth_failures_minute=300)
    g.site.dir.chmod(0o777)
    g.site.state.rmdir()
    g.start()
    g.serves()
    assert {"upstreams", "addresses"} <= {path.name for path in g.site.state.iterdir()}
    assert "level=warn" not in g.text() and "level=error" not in g.text()


def test_state_folder_that_goes_away(gates):
    """It is removed and comes back empty, as on a volume that was mounted late."""
    g = gates()
    g.serves()
    moved = g.site.dir / "moved"
    g.site.state.rename(moved)
    with g.post(messages.body("echo-model")) as call:
        call.read()
        assert call.status in (200, 503)
    g.site.state.mkdir(0o750)
    give_to_web_user(g.site.state)
    _mended(g)
    wait_until(lambda: [g.serves()] and g.site.ledger(), 5, "a ledger line in the new folder")


def test_key_file_that_is_missing(gates):
    g = gates()
    g.serves()
    moved = g.site.dir / "moved"
    g.site.keys.rename(moved)
    with g.post(messages.body("echo-model")) as call:
        assert call.read().status in (401, 503)
        assert call.json()["error"]["type"] in ("authentication_error", "api_error")
    moved.rename(g.site.keys)
    _mended(g)


def test_key_file_that_is_missing_from_the_start(gates):
    g = gates(start=False)
    moved = g.site.dir / "moved"
    g.site.keys.rename(moved)
    g.start()
    with g.post(messages.body("echo-model")) as call:
        assert call.read().status in (401, 503)
    moved.rename(g.site.keys)
    _mended(g)


@WORKERS
def test_config_that_is_broken_from_the_start(gates, workers):
    """Under a web server nobody sees a program that does not start, so it starts and says so to the clients."""
    g = gates(start=False, listen="0", workers=workers, under=on_descriptor_0())
    g.site.write_conf("keys = \n")
    g.start()
    _answers(g, 500, "api_error")
    assert g.get("/healthz").status == 503
    assert "postern.conf:" in g.text()
    g.site.write_conf()
    _mended(g)


def test_config_that_is_broken_refuses_a_start_by_hand(gates):
    g = gates(start=False)
    g.site.write_conf("keys = \n")
    _starts_not(g, "postern.conf:")
    assert not g.socket.exists()


# The command line


QUERIES = [
    "key+add+--workspace+default",
    "--help",
    "--version",
    "check",
    "key+list",
    "serve+--listen+unix:/tmp/x",
    "--config=/etc/passwd",
    "--config+/etc/passwd",
    "%2d%2dconfig+/etc/passwd",
    "nonsense",
]


@pytest.mark.modes(["apache-cgi", "lighttpd-cgi", "apache-htaccess"])
@pytest.mark.parametrize("query", QUERIES)
def test_query_is_no_command_line(host, query):
    """A CGI host makes arguments out of a query without `=`; they are the client's."""
    before = host.site.keys.read_bytes()
    answer = host.request("GET", "/v1/models?" + query, host.auth())
    assert answer.status in (200, 400), answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert b"sk-postern-" not in answer.body and b"usage" not in answer.body
    answer = host.request("GET", "/healthz?" + query)
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert host.site.keys.read_bytes() == before
