"""A scratch installation of the program: its folder, config, keys and state, and the pool that serves from them."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess

from . import messages
from .proc import Proc, as_web_user, give_to_web_user, scratch_dir, wait_until

REPO = pathlib.Path(__file__).resolve().parents[2]

# The gateway's own credential at its upstream; it may appear in no log.
PROVIDER_KEY = "sk-upstream-0123456789abcdef0123456789abcdef"

# Short enough for a test to see a commit and pings go by.
OPTIONS = {
    "default_region": "us",
    "max_body": 33554432,
    "commit_s": 1,
    "ping_s": 1,
    "upstream_connect_s": 5,
    "upstream_first_s": 120,
    "upstream_idle_s": 30,
    "drain_s": 5,
    "retry_s": 0,
    "cooldown_s": 0,
    "auth_failures_minute": 0,
}

SECTIONS = """
upstream "scripted" {{
    kind = "anthropic"
    url = "{url}"
    api_key_file = "{provider_key}"
    auth = "x-api-key"
    regions = {{ "us" }}
    any_model = true
}}
upstream "echo" {{
    kind = "echo"
    regions = {{ "us" }}
}}
model "claude-sonnet-4-5" {{
    regions = {{ "us" }}
    target "scripted" {{ id = "claude-sonnet-4-5-20250929" }}
    price = {{ 3.00, 15.00, 3.75, 6.00, 0.30 }}
}}
model "echo-model" {{
    regions = {{ "us" }}
    target "echo" {{ id = "echo-model" }}
}}
workspace "default" {{
    rpm = 0
    tpm = 0
}}
workspace "narrow" {{
    rpm = 0
    tpm = 0
    models = {{ "claude-*" }}
}}
"""

# Tied to the beginnings of lines: a log may have tens of thousands.
SANITIZER = re.compile(r"^.*(?:ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer).*", re.MULTILINE)


@dataclasses.dataclass
class Key:
    text: str
    id: str


def binary():
    """The program under test."""
    return pathlib.Path(os.environ.get("POSTERN_BIN", REPO / "build" / "postern")).resolve()


def sanitizer_reports(text):
    return SANITIZER.findall(text)


class Site:
    """A folder with all that the program needs. It belongs to the account the program runs under."""

    def __init__(self, upstream_url, sections=SECTIONS, **options):
        self.dir = scratch_dir()
        self.conf = self.dir / "postern.conf"
        self.keys = self.dir / "keys"
        self.state = self.dir / "state"
        self.provider_key = self.dir / "provider.key"
        self.options = {**OPTIONS, **options}
        self.sections = sections
        self.upstream_url = upstream_url
        self.given_keys = []
        self.kept = False
        # A copy, because the build folder may lie where the web server's account can't look.
        self.bin = shutil.copy(binary(), self.dir / "postern")
        self.state.mkdir(mode=0o750)
        self._write(self.provider_key, PROVIDER_KEY + "\n")
        self._write(self.keys, "")
        self.write_conf()
        for path in (self.state, self.provider_key, self.keys):
            give_to_web_user(path)
        self.key = self.add_key(name="default key")

    def _write(self, path, text):
        path.write_text(text)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)

    def conf_text(self):
        lines = [f'keys = "{self.keys}"', f'state = "{self.state}"']
        for name, value in self.options.items():
            lines.append(f"{name} = {json.dumps(value)}")
        return "\n".join(lines) + self.sections.format(url=self.upstream_url, provider_key=self.provider_key)

    def write_conf(self, text=None):
        """Replaces the config as an editor does: by a new file under the old name."""
        new = self.dir / "postern.conf.new"
        new.write_text(self.conf_text() if text is None else text)
        new.chmod(0o644)
        give_to_web_user(new)
        new.rename(self.conf)

    def command(self, *args, check=True):
        """Runs the program with this config, under the account that serves; returns what it printed and its status."""
        done = subprocess.run(
            as_web_user([str(self.bin), *args, "--config", str(self.conf)]),
            capture_output=True,
            text=True,
            timeout=30,
            cwd="/",
        )
        assert not sanitizer_reports(done.stderr), done.stderr
        assert not check or done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def add_key(self, workspace="default", **options):
        """A new key; options become --name, --expires, --models, --budget-day and so on."""
        args = ["key", "add", "--workspace", workspace]
        for name, value in options.items():
            args += ["--" + name.replace("_", "-"), str(value)]
        done = self.command(*args)
        found = re.search(r"^id (\w+)$", done.stderr, re.MULTILINE)
        assert found, f"key add names no id: {done.stderr!r}"
        self.given_keys.append(done.stdout.strip())
        return Key(done.stdout.strip(), found.group(1))

    def revoke(self, key):
        self.command("key", "revoke", key.id)

    def ledger(self):
        """All ledger lines, parsed."""
        lines = []
        for path in sorted(self.state.glob("ledger-*.jsonl")):
            # The kernel may show the first part of a line that is being written across two pages.
            whole = path.read_text().rpartition("\n")[0]
            lines += [json.loads(line) for line in whole.split("\n") if line]
        return lines

    def ledger_line_where(self, wanted, limit=10):
        """The one line that is wanted; it is written when the call is over, maybe after its client knows that."""
        found = wait_until(lambda: [line for line in self.ledger() if wanted(line)], limit, "a ledger line")
        assert len(found) == 1, found
        return found[0]

    def ledger_line(self, request_id, limit=10):
        return self.ledger_line_where(lambda line: line["request_id"] == request_id, limit)

    def secrets(self):
        """What may stand in no log."""
        return [PROVIDER_KEY, *self.given_keys, messages.PROMPT, messages.ANSWER]

    def remove(self):
        """Removes the folder, unless its logs are evidence."""
        if not self.kept and "POSTERN_KEEP" not in os.environ:
            shutil.rmtree(self.dir, ignore_errors=True)


class Pool:
    """The program serving standalone on a unix socket."""

    def __init__(self, site, workers=2, threads=32):
        self.site = site
        self.socket = site.dir / "postern.sock"
        self.log = site.dir / "program.log"
        self.workers = workers
        self.threads = threads

    def start(self):
        argv = [self.site.bin, "serve", "--config", self.site.conf, "--listen", f"unix:{self.socket}"]
        argv += ["--workers", self.workers, "--threads", self.threads]
        self.proc = Proc(argv, self.log, web_user=True)
        self.proc.ready(self.listens, 10, "the pool's socket")
        return self

    def listens(self):
        """The file is there a moment before anybody listens on it."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def worker_pids(self):
        """The processes that the supervisor keeps alive."""
        children = pathlib.Path(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def stop(self):
        """Ends the pool; returns how many seconds it took."""
        return self.proc.stop(limit=self.site.options["drain_s"] + 5)
