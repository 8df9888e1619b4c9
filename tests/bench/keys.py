"""4. A million keys: the look-up, the start, and the calls that go on while the index is made anew."""

import hashlib
import http.client
import socket
import statistics
import struct
import subprocess
import threading
import time

import rig
from lib import proc

MANY, FEW = 1000000, 10
ACTIVE = {"all over the file": 100000, "a thousand active": 1000}
LOOKUPS = 200000
ROUNDS = 5
STARTS = 7
CALLERS = 4
PAUSE_S = 0.01
LIMIT_S = 60

BODY = b'{"model":"claude-sonnet-4-5","max_tokens":256,"messages":[{"role":"user","content":"Who goes there?"}]}'


def text_of(n):
    return f"sk-postern-bench-{n}"


def line_of(n):
    digest = hashlib.sha256(text_of(n).encode()).hexdigest()
    return f'b{n:07d}  {digest}  workspace=default name="bench {n}" created=2026-11-21\n'


def write_keys(path, count):
    with open(path, "a") as out:
        out.writelines(line_of(n) for n in range(count))


def lookup(site, count, active):
    """One run of the micro-benchmark, under the account that the program runs under."""
    words = (rig.BUILD / "lookup", site.keys, site.state, count, active, LOOKUPS)
    command = proc.as_web_user([str(word) for word in words])
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_S)
    return rig.numbers(done.stdout, "first_us")


def measure_lookup(many, few):
    """By turns with ten keys and with a million; the first run makes each index."""
    made_us = lookup(many, MANY, FEW)["first_us"]
    lookup(few, FEW, FEW)
    for name, active in ACTIVE.items():
        pairs = [(lookup(few, FEW, FEW)["median_ns"], lookup(many, MANY, active)["median_ns"]) for _ in range(ROUNDS)]
        few_ns, many_ns = (statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(b / a for a, b in pairs)
        rig.say(f"keys: look-ups with {FEW} and {MANY} keys, {name}: {pairs} ns")
        yield (f"look-up among {MANY} keys against {FEW}, {name}", f"{ratio:.2f}", "<= 2", ratio <= 2)
        yield ("  each", f"{many_ns:.0f} ns, {few_ns:.0f} ns", "", None)
    yield ("  making the index from nothing", f"{made_us / 1e6:.2f} s", "", None)


def record(kind, content):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def fastcgi_request(key):
    """One call as a web server sends it over FastCGI."""
    params = {
        "REQUEST_METHOD": "POST", "REQUEST_URI": "/v1/messages", "SCRIPT_NAME": "", "CONTENT_LENGTH": str(len(BODY)),
        "CONTENT_TYPE": "application/json", "HTTP_X_API_KEY": key, "SERVER_PROTOCOL": "HTTP/1.1",
    }
    coded = b"".join(bytes((len(k), len(v))) + k.encode() + v.encode() for k, v in params.items())
    return record(1, b"\0\1\0\0\0\0\0\0") + record(4, coded) + record(4, b"") + record(5, BODY) + record(5, b"")


def first_answer(path, key, limit_s):
    """Connects as soon as that is possible; returns the answer."""
    end = time.monotonic() + limit_s
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(limit_s)
            try:
                client.connect(path)
                client.sendall(fastcgi_request(key))
                answer = b""
                while piece := client.recv(65536):
                    answer += piece
                return answer
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > end:
                    raise
        time.sleep(0.0002)


def start_once(site, path):
    """Seconds from the start of the program to its first whole answer."""
    uid, gid = proc.web_ids()
    account = {"user": uid, "group": gid, "extra_groups": []} if proc.is_root() else {}
    command = [str(part) for part in (site.bin, "serve", "--config", site.conf, "--listen", f"unix:{path}")]
    with open(site.dir / "start.log", "ab") as log:
        begun = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **account)
    try:
        answer = first_answer(path, text_of(MANY // 2), LIMIT_S)
        took = time.monotonic() - begun
    finally:
        child.terminate()
        child.wait(LIMIT_S)
    if b"Status: 200" not in answer or b"end_turn" not in answer:
        raise RuntimeError(f"the first answer is not good: {answer!r}")
    return took


def measure_start(site):
    path = str(site.dir / "start.sock")
    took = [start_once(site, path) * 1000 for _ in range(STARTS)]
    middle = statistics.median(took)
    rig.say(f"keys: start to first answer {[f'{t:.1f}' for t in took]} ms")
    yield (f"start to first answer with {MANY} keys", f"{middle:.1f} ms", "< 50 ms", middle < 50)


class Callers:
    """A few clients that call at an even pace over kept connections; latencies as (when, seconds)."""

    def __init__(self, port, keys):
        self.port = port
        self.over = threading.Event()
        self.latencies, self.faults = [], []
        self.threads = [threading.Thread(target=self.run, args=(key,)) for key in keys]
        for thread in self.threads:
            thread.start()

    def run(self, key):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        while not self.over.wait(PAUSE_S):
            begun = time.monotonic()
            try:
                status = ask(client, key)
            except OSError as fault:
                status = fault
            if status != 200:
                self.faults.append(status)
                return
            self.latencies.append((begun, time.monotonic() - begun))

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def between(self, begin, end):
        """Sorted latencies in ms of the calls that ran at some time between the two."""
        return sorted(took * 1000 for begun, took in self.latencies if begun + took >= begin and begun <= end)


def ask(client, key):
    client.request("POST", "/v1/messages", BODY, {"x-api-key": key, "content-type": "application/json"})
    answer = client.getresponse()
    answer.read()
    return answer.status


def reindex(gate):
    """Adds a line to the key file; returns when, and the seconds until a call with its key is let in."""
    client = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=LIMIT_S)
    begun = time.monotonic()
    with open(gate.site.keys, "a") as out:
        out.write(line_of(MANY))
    while (status := ask(client, text_of(MANY))) != 200:
        if status != 401 or time.monotonic() - begun > LIMIT_S:
            raise RuntimeError(f"a new key got {status} after {time.monotonic() - begun:.1f} s")
        time.sleep(PAUSE_S)
    return begun, time.monotonic() - begun


def measure_reindex(gate):
    callers = Callers(gate.port, [text_of(n * 1000) for n in range(CALLERS)])
    began = time.monotonic()
    time.sleep(2)
    changed, took = reindex(gate)
    time.sleep(1)
    callers.stop()
    if callers.faults:
        raise RuntimeError(f"calls failed while the index was made anew: {callers.faults}")
    before, during = callers.between(began + 0.5, changed), callers.between(changed, changed + took)
    yield (f"a new line among {MANY}: until its key is let in", f"{took:.2f} s", "< 3 s", took < 3)
    for name, seen in (("before", before), ("meanwhile", during)):
        worst = seen[-1] if seen else 0
        middle = statistics.median(seen) if seen else 0
        yield (f"  {len(seen)} calls {name}: median, longest", f"{middle:.1f} ms, {worst:.0f} ms", "", None)


def measure(upstream):
    gate = rig.Gate(upstream, threads=64)
    few = rig.Gate(upstream)
    write_keys(gate.site.keys, MANY)
    write_keys(few.site.keys, FEW)
    yield from measure_lookup(gate.site, few.site)
    few.site.remove()
    yield from measure_start(gate.site)
    gate.start()
    yield from measure_reindex(gate)
    gate.close()
