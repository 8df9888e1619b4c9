"""The clients of a soak: a steady crowd of event streams, and beside it calls of every other kind, good and bad.

As a program (python3 -m soak.traffic, in tests/) it reads a plan from standard input, a line of JSON, sends what the
plan says until its time is over and every call has ended, and prints a line of JSON that says what it has seen. Each
call whose answer named it goes into the file `answered`, a line "request-id kind" each.
"""

import asyncio
import collections
import dataclasses
import json
import random
import resource
import sys
import time

ANSWER_S = 120
BACK_OFF_S = 0.5
SUSPECTS_MAX = 5000

WHOLE, ERROR_EVENT = "whole", "error event"


@dataclasses.dataclass
class Plan:
    """streams: how many are open at any time, of `events` deltas (least and most) a second apart, a hundredth of which
    leave before their end. callers: how many others ask one call after the other, with a pause between."""

    port: int
    key: str
    answered: str
    seconds: float
    streams: int
    callers: int
    events: tuple = (5, 40)
    ramp_s: float = 10
    pause_s: float = 0.1
    seed: int = 1


@dataclasses.dataclass
class Kind:
    """A kind of call: what it asks, and the statuses and ends of which one must come. booked: it has a ledger line."""

    name: str
    weight: int
    good: tuple
    path: str = "/v1/messages"
    body: bytes = b""
    method: str = "POST"
    key: str = ""
    booked: bool = True
    leaves: bool = False


def body(model, stream=False, text="hello", **more):
    value = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}
    return json.dumps({**value, **({"stream": True} if stream else {})}, separators=(",", ":")).encode()


def _mock(name, weight, *good, stream=False):
    return Kind(("stream " if stream else "") + name, weight, good, body=body(name, stream))


FAST = "claude-sonnet-4-5"
KINDS = [
    Kind("message", 30, ((200, WHOLE),), body=body(FAST)),
    Kind("envelope", 10, ((200, WHOLE),), path="/api/v1/messages", body=body(FAST)),
    Kind("envelope stream", 10, ((200, WHOLE),), path="/api/v1/messages",
         body=body(FAST, True, "events=5 interval_us=20000")),
    Kind("count_tokens", 5, ((200, WHOLE),), path="/v1/messages/count_tokens", body=body("mock-message")),
    Kind("models", 5, ((200, WHOLE),), path="/v1/models", method="GET", booked=False),
    Kind("health", 2, ((200, WHOLE),), path="/healthz", method="GET", booked=False),
    Kind("wrong key", 5, ((401, WHOLE), (429, WHOLE)), body=body(FAST), key="sk-postern-wrong", booked=False),
    Kind("no JSON", 5, ((400, WHOLE),), body=b"{"),
    Kind("large body", 2, ((200, WHOLE),), body=body("mock-message", text="x" * 2_000_000)),
    Kind("leaves", 5, ((200, WHOLE),), body=body(FAST, True, "events=50 interval_us=50000"), leaves=True),
    _mock("mock-429", 3, (429, WHOLE)),
    _mock("mock-500", 3, (500, WHOLE)),
    _mock("mock-529", 3, (529, WHOLE)),
    _mock("mock-empty", 2, (502, WHOLE)),
    _mock("mock-html", 2, (502, WHOLE)),
    _mock("mock-error-first", 3, (529, WHOLE), stream=True),
    _mock("mock-error-midway", 3, (200, ERROR_EVENT), stream=True),
    _mock("mock-truncated", 3, (200, ERROR_EVENT), stream=True),
    _mock("mock-cut", 3, (200, ERROR_EVENT), stream=True),
    _mock("mock-reset", 3, (200, ERROR_EVENT), stream=True),
]


class Answer:
    """What came of a call: status, request id, and how it ended."""

    def __init__(self):
        self.status = None
        self.request_id = None
        self.stream = False
        self.tail = b""
        self.end = "no answer"

    def take(self, data):
        """Notes what the end of the body says of the end of a stream."""
        self.tail = (self.tail + data)[-4096:]

    def finish(self):
        """The body came to the end that its framing promised."""
        self.end = WHOLE
        if self.stream and not self.tail.endswith(b"data: [DONE]\n\n") and b"event: message_stop" not in self.tail:
            self.end = ERROR_EVENT if b"event: error" in self.tail or b'"success":false' in self.tail else "no end"


async def _read_head(reader, answer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    answer.status = int(head[0].split(" ", 2)[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    answer.request_id = headers.get("request-id")
    answer.stream = headers.get("content-type", "").startswith("text/event-stream")
    return headers


async def _pieces(reader, headers):
    """The pieces of the body, by its framing."""
    if headers.get("transfer-encoding") != "chunked":
        yield await reader.readexactly(int(headers["content-length"]))
        return
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")


class Traffic:
    def __init__(self, plan):
        self.plan = plan
        self.random = random.Random(plan.seed)
        self.until = time.time() + plan.seconds
        self.counts = collections.Counter()
        self.suspects = []
        self.answered = open(plan.answered, "w")

    def going(self):
        return time.time() < self.until

    async def ask(self, kind, leave_after=None):
        """One call. leave_after: pieces of the answer after which the client leaves."""
        answer = Answer()
        begun = time.time()
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._exchange(kind, answer, leave_after)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError, KeyError) as fault:
            if answer.end == "no answer":
                answer.end = f"{type(fault).__name__}"
        self._judge(kind, answer, begun)
        return answer

    async def _exchange(self, kind, answer, leave_after):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.plan.port)
        try:
            head = (f"{kind.method} {kind.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
                    f"x-api-key: {kind.key or self.plan.key}\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(kind.body)}\r\n\r\n")
            writer.write(head.encode() + kind.body)
            await writer.drain()
            headers = await _read_head(reader, answer)
            pieces = 0
            async for piece in _pieces(reader, headers):
                answer.take(piece)
                pieces += 1
                if pieces == leave_after:
                    answer.end = "left"
                    return
            answer.finish()
        finally:
            writer.close()

    def _judge(self, kind, answer, begun):
        if answer.request_id and kind.booked:
            self.answered.write(f"{answer.request_id} {kind.name}\n")
        if answer.end == "left" or (answer.status, answer.end) in kind.good:
            self.counts[kind.name if answer.end != "left" else f"{kind.name}, left"] += 1
            return
        self.counts["suspect"] += 1
        if len(self.suspects) < SUSPECTS_MAX:
            self.suspects.append((kind.name, answer.request_id, answer.status, answer.end, begun, time.time()))

    async def stream_after_stream(self, number):
        await asyncio.sleep(self.plan.ramp_s * number / max(1, self.plan.streams))
        while self.going():
            events = self.random.randint(*self.plan.events)
            leaves = self.random.random() < 0.01
            kind = Kind("stream", 1, ((200, WHOLE),), body=body(FAST, True, f"events={events} interval_us=1000000"))
            before = self.counts["suspect"]
            await self.ask(kind, self.random.randint(1, events) if leaves else None)
            if self.counts["suspect"] > before:
                await asyncio.sleep(BACK_OFF_S)

    async def call_after_call(self):
        while self.going():
            [kind] = self.random.choices(KINDS, [kind.weight for kind in KINDS])
            await self.ask(kind, self.random.randint(1, 5) if kind.leaves else None)
            await asyncio.sleep(self.plan.pause_s)

    async def run(self):
        crowd = [self.stream_after_stream(number) for number in range(self.plan.streams)]
        await asyncio.gather(*crowd, *(self.call_after_call() for _ in range(self.plan.callers)))
        self.answered.close()


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    traffic = Traffic(Plan(**json.loads(sys.stdin.readline())))
    asyncio.run(traffic.run())
    print(json.dumps({"counts": traffic.counts, "suspects": traffic.suspects}), flush=True)


if __name__ == "__main__":
    main()
