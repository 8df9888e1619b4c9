"""5. A call as a plain CGI: what one process for one call costs, from exec to exit."""

import os
import statistics
import subprocess

import rig
from lib import proc

CALLS = 40
CPU_MAX_MS = 15

BODIES = {
    "anthropic over http": b'{"model":"claude-sonnet-4-5","max_tokens":256,"messages":[{"role":"user","content":"Hi"}]}',
    "echo": b'{"model":"echo-model","max_tokens":256,"messages":[{"role":"user","content":"Hi"}]}',
}


def environment(site, body):
    """What a web server tells a CGI."""
    return {
        "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "bench", "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "REMOTE_ADDR": "127.0.0.1", "REQUEST_METHOD": "POST", "REQUEST_URI": "/v1/messages",
        "SCRIPT_NAME": "", "PATH_INFO": "/v1/messages", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)),
        "HTTP_X_API_KEY": site.key.text, "HTTP_ANTHROPIC_VERSION": "2023-06-01", "POSTERN_CONF": str(site.conf),
        "PATH": os.environ["PATH"],
    }


def call_once(site, body):
    """CPU time, user and system, of one process in ms."""
    uid, gid = proc.web_ids()
    account = {"user": uid, "group": gid, "extra_groups": []} if proc.is_root() else {}
    with open(site.dir / "body", "wb") as out:
        out.write(body)
    with open(site.dir / "body", "rb") as stdin, open(site.dir / "cgi.log", "ab") as log:
        child = subprocess.Popen(
            [str(site.bin)], stdin=stdin, stdout=subprocess.PIPE, stderr=log, cwd="/", env=environment(site, body), **account)
        answer = child.stdout.read()
        child.stdout.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0 or not answer.startswith(b"Status: 200"):
        raise RuntimeError(f"a CGI call failed: {child.returncode} {answer!r}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def measure(upstream):
    site = rig.Gate(upstream).site
    for name, body in BODIES.items():
        call_once(site, body)
        took = [call_once(site, body) for _ in range(CALLS)]
        middle = statistics.median(took)
        yield (f"CPU of a CGI call, {name}", f"{middle:.1f} ms", f"<= {CPU_MAX_MS} ms", middle <= CPU_MAX_MS)
    site.remove()
