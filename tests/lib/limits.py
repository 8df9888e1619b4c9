"""What an answer has to say about limits, and proofs over what many clients saw and what stands in the books.

Money is reckoned in nano-dollars, tokens and times in whole numbers; nothing here is a float that was added up.
"""

import collections
import datetime
import decimal
import fractions
import json
import re

from .proc import wait_until

FAMILIES = ("requests", "tokens", "input-tokens", "output-tokens")
RESET = "%Y-%m-%dT%H:%M:%SZ"

# Limits are told in these units.
MINUTE_S = 60
NANOUSD = 1_000_000_000

# The members of a ledger line that `postern usage` adds up, by the names that it has for the sums.
SUMS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_write_1h_tokens": "cache_creation_1h_input_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
}
GOOD_ENDS = ("done", "client-gone")


# Answers


def gauges(call, rpm, tpm):
    """All twelve headers are there, once each, and in their form. Returns what remains of each."""
    names = [name.lower() for name, _ in call.header_list]
    remaining = {}
    for family in FAMILIES:
        limit, left, reset = (f"anthropic-ratelimit-{family}-{part}" for part in ("limit", "remaining", "reset"))
        assert [names.count(name) for name in (limit, left, reset)] == [1, 1, 1], f"{family}: {call.header_list}"
        size = rpm if family == "requests" else tpm
        assert int(call.headers[limit]) == size, f"{limit}: {call.headers[limit]}"
        remaining[family] = int(call.headers[left])
        assert 0 <= remaining[family] <= size, f"{left}: {remaining[family]}"
        at = datetime.datetime.strptime(call.headers[reset], RESET).replace(tzinfo=datetime.timezone.utc)
        ahead = (at - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        assert -5 < ahead <= MINUTE_S + 1, f"{reset}: in {ahead} s"
    return remaining


def refusal(call):
    """What kind of refusal this is, after making sure that it is one in its form."""
    shown = f"{call.status} {call.headers} {call.body[:1000]!r}"
    assert call.status in (429, 529), shown
    value = call.json()
    kind = value["error"]["type"]
    assert value["type"] == "error" and value["request_id"] == call.headers["request-id"], shown
    if kind == "billing_error":
        assert call.status == 429 and call.headers.get("x-should-retry") == "false", shown
        assert "retry-after" not in call.headers and "retry-after-ms" not in call.headers, shown
        return kind
    assert int(call.headers["retry-after"]) >= 1 and "x-should-retry" not in call.headers, shown
    if call.status == 429:
        assert kind == "rate_limit_error", shown
        wait_ms = int(call.headers["retry-after-ms"])
        assert wait_ms >= 1 and int(call.headers["retry-after"]) == -(-wait_ms // 1000), shown
    else:
        assert kind == "overloaded_error", shown
    return kind


def wait_ms(call):
    """How long a refused call is asked to wait."""
    assert refusal(call) == "rate_limit_error"
    return int(call.headers["retry-after-ms"])


TOLD = re.compile(r"budget of \$([0-9.]+) per .*: \$([0-9.]+) of it is left, .* may cost up to \$([0-9.]+)\.")


def told(call):
    """What a refusal says of a budget, in nano-dollars: its size, what is left of it, and what the call may cost."""
    assert refusal(call) == "billing_error"
    found = TOLD.search(call.json()["error"]["message"])
    assert found, call.body
    return tuple(nanousd(amount) for amount in found.groups())


def exhaust(ask, books, most=100):
    """Calls, each after the one before is settled, until a budget refuses; the refusal."""
    booked = books.usage()[None]["calls"]
    for more in range(1, most + 1):
        call = ask()
        books.settled(booked + more)
        if call.status != 200:
            assert refusal(call) == "billing_error"
            return call
    raise AssertionError(f"{most} calls were let in")


# What clients may get in a time


def most(limit, seconds):
    """What a bucket of so many a minute gives away at most: all of it, and what flows in. Its clock counts whole
    milliseconds."""
    return limit * (MINUTE_S + fractions.Fraction(seconds) + fractions.Fraction(1, 1000)) / MINUTE_S


def kept_to_requests(seen, rpm):
    """No more calls were let in than there was room for, and no fewer than there was at the beginning."""
    got = len(seen.good)
    assert got <= most(rpm, seen.seconds), f"{got} calls in {seen.seconds} s at {rpm} a minute"
    assert got >= rpm, f"only {got} calls of {rpm}"


def kept_to_tokens(seen, tpm, reserved):
    """The same for tokens. A call that reserves so many is let in as long as there are so many left."""
    got = seen.tokens
    assert got <= most(tpm, seen.seconds), f"{got} tokens in {seen.seconds} s at {tpm} a minute"
    assert got >= tpm - reserved, f"only {got} tokens of {tpm}"


def surely_at_once(seen, pace_s):
    """How many calls were under way at once beyond doubt. Each was so long at the upstream, somewhere between request
    and answer; so it was there from that time before its answer to that time after its request."""
    turns = []
    for answer in seen.good:
        first, last = answer.answered - pace_s, answer.sent + pace_s
        if first < last:
            turns += [(first, 1), (last, -1)]
    most = inside = 0
    for _, step in sorted(turns):
        inside += step
        most = max(most, inside)
    return most


# Books


def dollars(value):
    """Nano-dollars as the configuration takes them."""
    return f"{value // NANOUSD}.{value % NANOUSD:09d}"


def nanousd(value):
    """A sum of dollars as it stands in a ledger line or a report, in nano-dollars."""
    scaled = decimal.Decimal(value) * NANOUSD
    assert scaled == int(scaled), value
    return int(scaled)


def exact(text):
    """Parsed JSON whose numbers with a point are exact."""
    return json.loads(text, parse_float=decimal.Decimal)


def sums_of(lines):
    """What `postern usage` must say of these ledger lines."""
    out = {name: sum(line[member] for line in lines) for name, member in SUMS.items()}
    written = sum(line["cache_creation_input_tokens"] for line in lines)
    out["cache_write_5m_tokens"] = written - out["cache_write_1h_tokens"]
    out["calls"] = len(lines)
    out["errors"] = sum(line["end"] not in GOOD_ENDS for line in lines)
    out["cut"] = sum(line["cut"] for line in lines)
    out["cost_usd"] = sum(nanousd(line["cost_usd"]) for line in lines)
    return out


class Books:
    """The ledgers of sites that share their limits, and what the commands say about them."""

    def __init__(self, *sites):
        self.sites = sites

    def text(self):
        """The whole lines of all; the last one of a file may be on its way. What a process that was killed has written
        of a line is none: the line comes again behind it."""
        paths = [path for site in self.sites for path in sorted(site.state.glob("ledger-*.jsonl"))]
        texts = [path.read_text().rpartition("\n")[0] for path in paths]
        return "\n".join(line for text in texts for line in text.split("\n") if line.endswith("}"))

    def lines(self, key=None):
        """The lines of one key, or all."""
        wanted = f'"key":"{key.id}"' if key else ""
        return [exact(line) for line in self.text().splitlines() if wanted in line]

    def ids(self, key=None):
        return [line["request_id"] for line in self.lines(key)]

    def count(self, key=None):
        return self.text().count(f'"key":"{key.id}"' if key else '"seq":')

    def wait(self, count, key=None, limit=20):
        """The lines of a key as soon as there are so many; they are written within about a second."""
        wait_until(lambda: self.count(key) >= count, limit, lambda: f"{count} lines; there are {self.count(key)}")
        lines = self.lines(key)
        assert len(lines) == count, f"{len(lines)} lines instead of {count}"
        return lines

    def settled(self, count, limit=10):
        """Waits until so many calls of all keys are settled, which is soon after their answers have ended."""
        wait_until(lambda: self.usage()[None]["calls"] >= count, limit, f"{count} settled calls")

    def usage(self, site=None):
        """The rows of `postern usage`, by key, and under None their total; as the first site sees them, or another."""
        report = exact((site or self.sites[0]).command("usage", "--by", "key", "--format", "json").stdout)
        rows = {}
        for row in [*report["rows"], report["total"]]:
            row["cost_usd"] = nanousd(row["cost_usd"])
            rows[row.pop("key", None)] = row
        return rows

    def adds_up(self, key):
        """The totals of a key are those of its lines: at once where one site has both, and soon for what another has
        settled."""
        limit = 0 if len(self.sites) == 1 else 10
        for site in self.sites:
            wait_until(
                lambda: self.usage(site)[key.id] == sums_of(self.lines(key)),
                limit,
                lambda: f"{self.usage(site)[key.id]} to become {sums_of(self.lines(key))}",
            )

    def verify(self):
        """`postern ledger verify` finds nothing, and the numbers of all lines are there once each."""
        for site in self.sites:
            done = site.command("ledger", "verify", check=False)
            assert done.returncode == 0 and done.stdout.endswith("\nok\n"), done.stdout + done.stderr
            numbers = sorted(line["seq"] for line in Books(site).lines())
            assert numbers == list(range(1, len(numbers) + 1)), f"of {len(numbers)} lines the last is {numbers[-1:]}"

    def holds(self, key, seen):
        """Every whole answer that a client got has one line, which says what the answer said, and there are no others
        but of refusals. Returns the key's lines."""
        lines = self.lines(key)
        done = {line["request_id"]: line for line in lines if line["end"] == "done"}
        assert len(done) == sum(line["end"] == "done" for line in lines) == len(seen.good)
        for answer in seen.good:
            line = done[answer.request_id]
            told_then = line["input_tokens"], line["output_tokens"]
            assert told_then == (answer.input_tokens, answer.output_tokens), line
        return lines

    def agrees(self, key, seen, limit=20):
        """What clients saw, the ledger and the totals are the same, call by call. Returns the key's lines."""
        self.wait(seen.answers, key, limit)
        lines = self.holds(key, seen)
        kinds = {"limit": "rate_limit_error", "budget": "billing_error"}
        refused = collections.Counter(kinds.get(line["end"], line["end"]) for line in lines if line["end"] != "done")
        assert refused == seen.refused
        self.adds_up(key)
        return lines
