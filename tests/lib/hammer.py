"""Many clients at once: processes with threads, each of which asks again as soon as it has its answer.

As a program (python3 -m lib.hammer, in tests/) it is one of the processes: it reads plans from standard input, a line
of JSON each, and answers each with a line that says what its threads have seen.
"""

import collections
import dataclasses
import json
import pathlib
import select
import subprocess
import sys
import threading
import time

from . import limits
from .client import Call, Ended

HERE = pathlib.Path(__file__).resolve().parents[1]

# How much of it there is. A test takes little; the benchmark goes on for minutes.
PROCESSES, THREADS = 8, 8

# The longest wait for an answer, and for what a process says when its time is over.
ANSWER_S, REPORT_S = 60, 120

# Time for every process to read its plan before the first call.
LEAD_S = 0.1


@dataclasses.dataclass
class Plan:
    """What every client of a load asks for, and how long.

    The clients of a process end together: when they have hammered for at least `seconds` and were refused `refusals`
    times each in the mean, and in any case after `limit` seconds.
    """

    port: int
    key: str
    body: str
    path: str = "/v1/messages"
    seconds: float = 1.0
    refusals: int = 3
    limit: float = 60.0
    threads: int = THREADS
    begin: float = 0.0


@dataclasses.dataclass
class Answer:
    """A whole answer that a client got; times are Unix time, in seconds."""

    request_id: str
    input_tokens: int
    output_tokens: int
    sent: float
    answered: float

    @property
    def tokens(self):
        return self.input_tokens + self.output_tokens


@dataclasses.dataclass
class Seen:
    """What all clients of a load have seen together."""

    good: list = dataclasses.field(default_factory=list)
    refused: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    wrong: list = dataclasses.field(default_factory=list)
    times: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.good += other.good
        self.refused.update(other.refused)
        self.wrong += other.wrong
        self.times += other.times
        return self

    @property
    def seconds(self):
        """From the first request sent to the last answer received."""
        return max(end for _, end in self.times) - min(begin for begin, _ in self.times)

    @property
    def tokens(self):
        return sum(answer.tokens for answer in self.good)

    @property
    def answers(self):
        """How many answers came, of either kind."""
        return len(self.good) + sum(self.refused.values())

    def whole(self):
        """The same, after making sure that nothing but answers and refusals in their form came."""
        assert not self.wrong, f"{len(self.wrong)} calls went wrong, such as {self.wrong[:3]}"
        return self


class Client:
    """One thread's worth of calls, on a connection that is kept as long as the server keeps it."""

    def __init__(self, plan, crowd):
        self.plan = plan
        self.crowd = crowd
        self.headers = [("x-api-key", plan.key), ("content-type", "application/json")]
        self.body = plan.body.encode()
        self.call = None
        self.seen = Seen()
        self.refusals = 0

    def run(self):
        time.sleep(max(0, self.plan.begin - time.time()))
        begun = time.time()
        while self._goes_on(time.time() - begun):
            self._ask()
        self.seen.times.append((begun, time.time()))
        if self.call:
            self.call.leave()

    def _goes_on(self, passed):
        refused = sum(client.refusals for client in self.crowd)
        enough = passed >= self.plan.seconds and refused >= self.plan.refusals * self.plan.threads
        return not enough and passed < self.plan.limit

    def _ask(self):
        sent = time.time()
        try:
            call = self._send()
            self._take(call, sent)
        except (OSError, Ended, ValueError, KeyError, AssertionError) as fault:
            self.seen.wrong.append((sent, time.time(), f"{type(fault).__name__}: {fault}"[:1000]))
            if self.call:
                self.call.leave()
            self.call = None

    def _send(self):
        kept = self.call and self.call.ended == "clean" and self.call.headers.get("connection") != "close"
        if self.call and not kept:
            self.call.leave()
            self.call = None
        self.call = self.call.again() if self.call else Call(self.plan.port, ANSWER_S)
        return self.call.send("POST", self.plan.path, self.headers, self.body, close=False).read()

    def _take(self, call, sent):
        assert call.ended == "clean", f"{call.status} ended {call.ended}: {call.body[:500]!r}"
        if call.status != 200:
            self.seen.refused[limits.refusal(call)] += 1
            self.refusals += 1
            return
        usage = call.json()["usage"]
        answer = Answer(
            call.headers["request-id"], usage["input_tokens"], usage["output_tokens"], sent, time.time()
        )
        self.seen.good.append(answer)


def carry_out(plan):
    """Runs all threads of one process; what they have seen."""
    clients = []
    clients += [Client(plan, clients) for _ in range(plan.threads)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = Seen()
    for client in clients:
        seen.add(client.seen)
    return seen


class Hammer:
    """The processes, started once and given one plan after the other. under: a command that they run under."""

    def __init__(self, processes=PROCESSES, under=()):
        argv = [*under, sys.executable, "-m", "lib.hammer"]
        self.children = [
            subprocess.Popen(argv, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]

    def begin(self, plan):
        """Starts a load; end() waits until it is over."""
        plan = dataclasses.replace(plan, begin=time.time() + LEAD_S)
        for child in self.children:
            child.stdin.write(json.dumps(dataclasses.asdict(plan)) + "\n")
            child.stdin.flush()
        return plan

    def end(self, plan):
        seen = Seen()
        for child in self.children:
            ready, _, _ = select.select([child.stdout], [], [], plan.seconds + plan.limit + REPORT_S)
            line = child.stdout.readline() if ready else ""
            assert line, f"a process of the load said nothing ({child.poll()})"
            seen.add(_seen_of(json.loads(line)))
        return seen

    def run(self, plan):
        return self.end(self.begin(plan))

    def close(self):
        for child in self.children:
            child.kill()
            child.communicate()


def _seen_of(value):
    good = [Answer(*answer) for answer in value["good"]]
    return Seen(good, collections.Counter(value["refused"]), value["wrong"], value["times"])


def main():
    for line in sys.stdin:
        seen = carry_out(Plan(**json.loads(line)))
        good = [dataclasses.astuple(answer) for answer in seen.good]
        print(json.dumps({"good": good, "refused": seen.refused, "wrong": seen.wrong, "times": seen.times}), flush=True)


if __name__ == "__main__":
    main()
