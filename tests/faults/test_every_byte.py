"""An upstream that ends, resets or falls silent behind every single byte of its answer, through one host."""

import collections
import concurrent.futures
import threading

import answers
import observe
import pytest
import table
from lab import Lab
from lib import hosts, messages, rawhttp

# How many calls at once: those that wait for a limit, and those that end at once.
WAITING, BUSY = 120, 4

# Limits as short as they can be.
QUICK = {"commit_s": 1, "upstream_first_s": 2, "upstream_idle_s": 2}


@pytest.fixture(params=["close", "reset", "stall"])
def how(request):
    return request.param


def expected(data, streams, how):
    """What has to become of an answer of which these bytes come."""
    head, _, body = data.partition(b"\r\n\r\n")
    headless = len(head) + 4 > len(data)
    if streams and b'"message_stop"}\n\n' in body:
        return table.DONE
    if how == "stall":
        if streams:
            return table.NOTHING_CAME_LATER if headless else table.FELL_SILENT_LATER
        return table.NOTHING_CAME if headless else table.FELL_SILENT
    return table.CUT_LATER if streams and b"\n\n" in body else table.CUT


def ask(lab, model, streams, arrived):
    with lab.host.post(messages.body(model, stream=streams)) as call:
        if streams:
            observe.to_first_event(call)
            arrived.set()
        return call.read(observe.LIMIT_S)


@pytest.mark.xdist_group("every byte")
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_every_byte(how, streams):
    lab = Lab(hosts.LighttpdSocket, threads=WAITING, **(QUICK if how == "stall" else {}))
    try:
        model = messages.unique_model()
        data = rawhttp.wire(observe.Asked(model, streams))
        with concurrent.futures.ThreadPoolExecutor(WAITING if how == "stall" else BUSY) as pool:
            calls = {at: pool.submit(one, lab, at, how, streams) for at in range(1, len(data))}
            seen = {at: call.result() for at, call in calls.items()}
        wrong = collections.Counter()
        for at, (call, name) in seen.items():
            found, _ = observe.outcome(lab, call, streams, observe.good(name, streams), exactly=False)
            if found != expected(data[:at], streams, how):
                wrong[f"{found}, not {expected(data[:at], streams, how)}, behind {data[max(0, at - 20):at]!r}"] += 1
        assert not wrong, "\n".join(wrong)
        lab.serves()
    finally:
        lab.close()


def one(lab, at, how, streams):
    """One call whose answer is broken behind so many bytes. All models have names of one length."""
    model = messages.unique_model()
    arrived = threading.Event()
    lab.upstream.on(model, observe.script(answers.broken_at(at, how), arrived))
    return ask(lab, model, streams, arrived), model
