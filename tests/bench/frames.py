"""7. Frames of Bedrock's, chunks of a chat completion, from and for, beside native events: the gate's CPU for an event, and the decoder."""

import concurrent.futures
import pathlib
import statistics
import subprocess
import time
import types

import rig
from lib import bedrock, client, clouds, messages, openai, scripts

STREAMS, EVENTS, GAP_S = 40, 100, 0.02
FLOODED = 20_000
ROUNDS = 5
RATIO_MAX = {"bedrock": 1.5, "envelope": 3, "openai": 3}
FLOOD_MAX = {"envelope": 3, "openai": 3}
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


def chunks_of(event):
    """What a server of chat completions sends instead of an event."""
    out = openai.ChatOut(types.SimpleNamespace(connection=None, json={"stream_options": {"include_usage": True}}))
    sent = []
    out.write = sent.append
    out.usage = {"input_tokens": 11}
    out.event(event)
    return b"".join(sent)


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
        self.gate = rig.Gate(self.clouds.anthropic, threads=STREAMS + 8,
                             sections=self.clouds.sections(), default_region="eu").start()
        anthropic = (self.clouds.anthropic, "on-anthropic", "claude-sonnet-4-5-20250929", "/anthropic/eu/v1/messages")
        name = "anthropic.claude-bench"
        self.kinds = {
            "native": anthropic,
            "bedrock": (self.clouds.bedrock, name, name, "/anthropic/eu/v1/messages"),
            "envelope": (*anthropic[:3], "/api/v1/messages"),
            "openai": (self.clouds.openai, "on-openai", "gpt-oss-120b", "/anthropic/eu/v1/messages"),
        }

    def one(self, kind):
        headers = [("x-api-key", self.gate.key), ("content-type", "application/json")]
        _, model, _, path = self.kinds[kind]
        seen = client.request(self.gate.port, "POST", path, headers, messages.body(model, True), limit=120)
        if b"message_stop" not in seen.body[-200:] and b"[DONE]" not in seen.body[-200:]:
            raise RuntimeError(f"a stream failed: {seen.status} {seen.body[-300:]!r}")

    def cost(self, kind, script, streams, events):
        """The gate's CPU for an event in microseconds."""
        server, _, there, _ = self.kinds[kind]
        server.on(there, script)
        pid = self.gate.pool.proc.pid
        before = cpu_ns(pid)
        with concurrent.futures.ThreadPoolExecutor(streams) as crowd:
            list(crowd.map(self.one, [kind] * streams))
        return (cpu_ns(pid) - before) / 1000 / streams / events

    def close(self):
        self.gate.close()
        self.clouds.close()


def rows(pair, what, script_of, streams, events, bounds):
    """By turns, so that what else the machine does falls on all."""
    for kind in pair.kinds:
        pair.cost(kind, script_of(kind), streams, events)
    costs = {kind: [] for kind in pair.kinds}
    for _ in range(ROUNDS):
        for kind in costs:
            costs[kind].append(pair.cost(kind, script_of(kind), streams, events))
    shown = ", ".join(f"{kind} {statistics.median(costs[kind]):.2f} us" for kind in costs)
    rig.say(f"{what}: {shown} an event")
    for kind in RATIO_MAX:
        ratio = statistics.median(b / a for a, b in zip(costs["native"], costs[kind]))
        bound = bounds.get(kind)
        yield (f"CPU for an event to a native one, {what}: {kind}", f"{ratio:.2f}", f"<= {bound}" if bound else "",
               ratio <= bound if bound else None)


def decoder():
    text = subprocess.run([rig.BUILD / "decoder"], check=True, capture_output=True, text=True, timeout=120).stdout
    speed = rig.numbers(text, "megabytes_per_s")["megabytes_per_s"]
    yield ("frames decoded on one core", f"{speed} MB/s", f">= {DECODER_MIN_MB_S} MB/s", speed >= DECODER_MIN_MB_S)


def measure(_):
    encoders = {"native": messages.sse, "bedrock": lambda e: bedrock.chunk(bedrock.with_metrics(e)),
                "envelope": messages.sse, "openai": chunks_of}
    pair = Pair()
    yield from rows(pair, "as they come", lambda kind: paced, STREAMS, EVENTS, RATIO_MAX)
    yield from rows(pair, "in a flood", lambda kind: flooded(encoders[kind]), 4, FLOODED, FLOOD_MAX)
    pair.close()
    yield from decoder()
