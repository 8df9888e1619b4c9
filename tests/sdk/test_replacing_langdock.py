"""doc/replacing-langdock.md, followed to the letter: its commands, its files, its programs.

What is changed is where things lie on this machine: folders, the gate's address, and AWS's, which is a server that
checks signatures by the credentials of the page.
"""

import json
import os
import re
import subprocess

import pytest

import clients
from lib import bedrock, hosts, messages, postern, sigv4, upstream
from lib.proc import as_web_user, is_root, web_ids

PAGE = (postern.REPO / "doc" / "replacing-langdock.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LISTS = {
    "eu": {
        "claude-3-7-sonnet-20250219",
        "claude-3-5-sonnet-20240620",
        "claude-3-sonnet-20240229",
        "claude-3-haiku-20240307",
    },
    "us": {"claude-3-5-sonnet-20240620", "claude-3-haiku-20240307", "claude-3-opus-20240229"},
}


def blocks(heading, language):
    """The code of a section of the page, in one language."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = [code for name, code in BLOCK.findall(section) if name == language]
    assert found, f"no {language} under {heading}"
    return found


class Follower:
    """Somebody who follows the page on a machine with such a web server."""

    def __init__(self, host_class):
        self.eu = self.bedrock("eu-central-1")
        self.us = self.bedrock("us-east-1")
        self.anthropic = upstream.Upstream()
        self.host = host_class(self.anthropic.url)
        self.site = self.host.site
        self.share = self.host.folder("share")
        self.tools = self.host.folder("tools")
        self.url = f"http://127.0.0.1:{self.host.port}{self.host.prefix}"
        self.env = {**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}"}
        self.install()

    def bedrock(self, region):
        lines = dict(line.split(" = ") for line in PAGE.splitlines() if line.startswith("aws_"))
        return bedrock.Bedrock(
            sigv4.Signer(lines["aws_access_key_id"], lines["aws_secret_access_key"], region, "bedrock")
        )

    def here(self, text):
        """The same text with the places of this machine."""
        for theirs, ours in {
            "/usr/share/postern": self.share,
            "/etc/postern": self.site.dir,
            "/var/lib/postern": self.site.state,
            "https://gate.example.com": self.url,
            "https://api.anthropic.com": self.anthropic.url,
            "-o root -g postern": f"-g {web_ids()[1]}" if is_root() else "",
            'aws_region = "eu-central-1"': f'aws_region = "eu-central-1" url = "{self.eu.url}"',
            'aws_region = "us-east-1"': f'aws_region = "us-east-1" url = "{self.us.url}"',
        }.items():
            text = text.replace(theirs, str(ours))
        return text

    def install(self):
        """What make install does, and the two commands that the page uses."""
        example = postern.REPO / "deploy" / "postern.conf.langdock"
        (self.share / "deploy").mkdir()
        (self.share / "deploy" / example.name).write_text(self.here(example.read_text()))
        self.tool("sudo", f'umask 027\n[ "$1" != -u ] || {{ shift 2; exec {" ".join(as_web_user([]))} "$@"; }}\nexec "$@"\n')
        self.tool("postern", f'exec {self.site.bin} "$@" --config {self.site.conf}\n')

    def tool(self, name, script):
        path = self.tools / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)

    def run(self, script):
        """Runs shell commands; what they export stays for later ones. Returns what they printed."""
        script = f"set -eu\n{self.here(script)}\nprintf '\\0%s' \"${{POSTERN_KEY-}}\"\n"
        done = subprocess.run(["bash", "-c", script], env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        said, key = done.stdout.split("\0")
        self.env["POSTERN_KEY"] = key
        return said

    def program(self, argv, code, library):
        done = subprocess.run(
            [*argv, self.here(code)],
            env={**library.environment(), "POSTERN_KEY": self.env["POSTERN_KEY"]},
            cwd=library.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def close(self):
        self.host.close()
        for server in (self.eu, self.us, self.anthropic):
            server.close()


def library(name):
    return next(one for one in clients.LIBRARIES if one.name == name)


@pytest.fixture(scope="module", params=[hosts.LighttpdSocket, hosts.ApacheProxy], ids=lambda one: one.name)
def follower(request):
    one = Follower(request.param)
    one.said = [one.run(code) for code in blocks("Configure it", "sh")]
    one.site.given_keys.append(one.env["POSTERN_KEY"])
    if is_root():
        os.chown(one.site.keys, *web_ids())
    one.host.start()
    yield one
    one.close()


def test_check_is_content(follower):
    said = follower.said[-1].splitlines()
    assert said[-1] == "ok", said
    for region, names in LISTS.items():
        line = next(line for line in said if line.startswith(f'workspace "default" in region {region}: '))
        assert set(re.findall(r"(claude-[\w-]+) \(", line)) == names
    assert not [line for line in said if "error" in line or "warning" in line], said


def test_lists_of_models(follower):
    command = blocks("Call it", "sh")[0]
    for region, names in LISTS.items():
        value = json.loads(follower.run(command.replace("/eu/", f"/{region}/")))
        assert {model["id"] for model in value["data"]} == names


def test_call(follower):
    value = json.loads(follower.run(blocks("Call it", "sh")[1]))
    assert value["content"][0]["text"] == messages.ANSWER
    assert value["model"] == "claude-3-haiku-20240307"
    assert follower.eu.requests("eu.anthropic.claude-3-haiku-20240307-v1:0")
    assert not follower.us.requests()


def test_python(follower):
    argv = ["/usr/bin/python3", "-c"]
    said = follower.program(argv, blocks("Call it", "python")[0], library("python"))
    assert said.strip() == messages.ANSWER


def test_ai_sdk(follower):
    argv = ["node", "--input-type=module", "-e"]
    said = follower.program(argv, blocks("Call it", "js")[0], library("ai"))
    assert said.strip() == messages.ANSWER


def test_every_model_in_its_regions(follower):
    """Each name of the document reaches Bedrock in its region, under a name of Bedrock's; elsewhere it is a 404."""
    headers = [("authorization", "Bearer " + follower.env["POSTERN_KEY"]), ("content-type", "application/json")]
    for region, names in LISTS.items():
        server = {"eu": follower.eu, "us": follower.us}[region]
        for name in LISTS["eu"] | LISTS["us"]:
            call = follower.host.post(messages.body(name), f"/anthropic/{region}/v1/messages", headers).read()
            if name in names:
                assert (call.status, call.json()["model"]) == (200, name), call.body
                assert server.requests(f"{region}.anthropic.{name}-v1:0")
            else:
                assert call.status == 404 and call.json()["error"]["type"] == "not_found_error", call.body
                assert f"it is in {'us' if region == 'eu' else 'eu'}" in call.json()["error"]["message"]
