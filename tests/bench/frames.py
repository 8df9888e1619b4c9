"""7. Bedrock's frames beside native events: the gate's CPU for an event of each, and the decoder alone."""

import concurrent.futures
import pathlib
import statistics
import subprocess
import time

import rig
from lib import bedrock, client, clouds, messages, scripts

STREAMS, EVENTS, GAP_S = 40, 100, 0.02
FLOODED = 20_000
ROUNDS = 5
RATIO_MAX = 1.5
DECODER_MIN_MB_S = 500
TEXT = "some words of a model, as they come "


def cpu_ns(pid):
    """What all threads of a process have run so far; they stay as long as it does."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


def paced(request, out):
    """Event after event, as a model makes them."""
    out.head(200, scripts.STREAM_HEADERS)
    for event in messages.opening(request.model):
        out.event(event)
    for _ in range(EVENTS):
        time.sleep(GAP_S)
        out.event(messages.delta(TEXT))
    for event in messages.closing():
        out.event(event)
    out.end()


def flooded(encode):
    """As fast as they are taken."""
    whole = b"".join(map(encode, messages.opening("m")))
    whole += encode(messages.delta(TEXT)) * FLOODED
    whole += b"".join(map(encode, messages.closing()))

    def script(request, out):
        out.head(200, scripts.STREAM_HEADERS)
        for at in range(0, len(whole), 65536):
            out.write(whole[at : at + 65536])
        out.end()

    return script


class Pair:
    """One gate before both kinds."""

    def __init__(self):
        self.clouds = clouds.Clouds()
        self.gate = rig.Gate(self.clouds.anthropic, threads=STREAMS + 8, sections=self.clouds.sections()).start()
        self.models = {"native": "on-anthropic", "bedrock": "anthropic.claude-bench"}
        self.servers = {"native": self.clouds.anthropic, "bedrock": self.clouds.bedrock}
        self.there = {"native": "claude-sonnet-4-5-20250929", "bedrock": "anthropic.claude-bench"}

    def one(self, kind):
        headers = [("x-api-key", self.gate.key), ("content-type", "application/json")]
        body = messages.body(self.models[kind], True)
        seen = client.request(self.gate.port, "POST", "/anthropic/eu/v1/messages", headers, body, limit=120)
        if b"message_stop" not in seen.body[-200:]:
            raise RuntimeError(f"a stream failed: {seen.status} {seen.body[-300:]!r}")

    def cost(self, kind, script, streams, events):
        """The gate's CPU for an event in microseconds."""
        self.servers[kind].on(self.there[kind], script)
        pid = self.gate.pool.proc.pid
        before = cpu_ns(pid)
        with concurrent.futures.ThreadPoolExecutor(streams) as crowd:
            list(crowd.map(self.one, [kind] * streams))
        return (cpu_ns(pid) - before) / 1000 / streams / events

    def close(self):
        self.gate.close()
        self.clouds.close()


def rows(pair, what, script_of, streams, events, bound):
    """By turns, so that what else the machine does falls on both."""
    for kind in pair.models:
        pair.cost(kind, script_of(kind), streams, events)
    costs = {kind: [] for kind in pair.models}
    for _ in range(ROUNDS):
        for kind in costs:
            costs[kind].append(pair.cost(kind, script_of(kind), streams, events))
    native, framed = (statistics.median(costs[kind]) for kind in ("native", "bedrock"))
    ratio = statistics.median(b / a for a, b in zip(costs["native"], costs["bedrock"]))
    rig.say(f"{what}: native {native:.2f} us, bedrock {framed:.2f} us an event")
    yield (f"CPU for an event of Bedrock's to a native one, {what}", f"{ratio:.2f}", f"<= {bound}" if bound else "",
           ratio <= bound if bound else None)


def decoder():
    text = subprocess.run([rig.BUILD / "decoder"], check=True, capture_output=True, text=True, timeout=120).stdout
    speed = rig.numbers(text, "megabytes_per_s")["megabytes_per_s"]
    yield ("frames decoded on one core", f"{speed} MB/s", f">= {DECODER_MIN_MB_S} MB/s", speed >= DECODER_MIN_MB_S)


def measure(_):
    encoders = {"native": messages.sse, "bedrock": lambda e: bedrock.chunk(bedrock.with_metrics(e))}
    pair = Pair()
    yield from rows(pair, "as they come", lambda kind: paced, STREAMS, EVENTS, RATIO_MAX)
    yield from rows(pair, "in a flood", lambda kind: flooded(encoders[kind]), 4, FLOODED, None)
    pair.close()
    yield from decoder()
