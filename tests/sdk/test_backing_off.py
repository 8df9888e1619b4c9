"""What the client libraries do when the gate refuses by a limit or a budget: they come back when they were told to, or
not at all."""

import time

import pytest

from lib import limits, messages
from lib.limits import Books
from test_clients import BOTH, Seen

# The next call of a key that has used up all of a minute's is let in after three seconds.
RPM = 20

# How exactly the clocks of the gate and of the libraries are read.
TICK_S = 0.002


@pytest.fixture
def seen(client, gate):
    return Seen(client, gate)


def use_up(gate, key, model):
    """Calls until one is refused; how many there were, and the Unix time before which the next one is not let in."""
    for count in range(1, 3 * RPM):
        sent = time.time()
        call = gate.host.post(messages.body(model), headers=gate.host.auth(key)).read()
        if call.status != 200:
            return count, sent + limits.wait_ms(call) / 1000
    raise AssertionError(f"all of {3 * RPM} calls were let in")


def test_limit_is_waited_for(seen):
    """The library asks again when it was told to, and not before: of its two attempts the second one is let in."""
    key = seen.gate.host.site.add_key(rpm=RPM)
    count, free = use_up(seen.gate, key, seen.model)
    answer = seen.ask("create", key=key.text, retries=2)
    assert "error" not in answer, answer
    assert answer["ended"] >= free - TICK_S
    lines = Books(seen.gate.host.site).wait(count + 2, key)
    assert [line["end"] for line in lines[-2:]] == ["limit", "done"]


@pytest.mark.parametrize("op", BOTH)
def test_budget_is_not_waited_for(seen, op):
    """x-should-retry says that no attempt helps. The AI SDK does not know it, and tries as often as it may."""
    key = seen.gate.host.site.add_key(budget_day="0.000000001")
    error = seen.fails(op, 429, key=key.text, model="claude-sonnet-4-5", retries=1)
    assert error["type"] == "billing_error"
    assert error["retry_after"] is None
    attempts = 2 if seen.library.ai else 1
    lines = Books(seen.gate.host.site).wait(attempts, key)
    assert {(line["end"], line["limit"]) for line in lines} == {("budget", "key day")}
