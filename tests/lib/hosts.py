"""Real web servers as scratch instances on 127.0.0.1, one class per way to host the program.

Each takes the project's own host config as it is shipped and sets only what it lets an administrator set: Apache by
Define, lighttpd by var.… in postern.local.conf, nginx by the upstream block that its snippet asks for.
"""

import os
import shutil
import signal

from . import client
from .ports import accepts, free_port
from .postern import REPO, Pool, Site, sanitizer_reports
from .proc import WEB_USER, Proc, give_to_web_user, is_root, running, wait_until


class Host:
    """A web server with the program behind it."""

    name = ""
    shipped = ""
    # The path under which the API lies.
    prefix = ""
    # True: every path of the host belongs to the program.
    whole = True
    # The server tells of a client that left while nothing is being sent: before the answer has started, and after.
    tells_before_head = False
    tells_after_head = False
    # A running stream lives through a reload, and through a gentle stop.
    reload_keeps = True
    gentle_stop_waits = True
    gentle_signal = signal.SIGWINCH
    reload_signal = signal.SIGUSR1
    # The server tells of a client that left by a SIGTERM, which is also what it sends when it stops.
    tells_by_term = False
    # The server passes the body of a request on as it comes, and does not wait for all of it.
    passes_body = False
    # What the server makes of a client that says it will send no more, and waits: it is served, or it has left.
    half_closed_is_gone = True
    # Each call is a process of its own, which ends with it.
    per_call = False
    # What the server logs when it has finished starting or reloading.
    started = ""
    # The program runs as a pool of its own beside the server.
    pooled = False

    def __init__(self, upstream_url, **options):
        self.site = Site(upstream_url, **options)
        self.port = free_port()
        self.log = self.site.dir / "server.log"
        self.pool = Pool(self.site) if self.pooled else None
        self._checked = {}
        self.logs = [self.log, *(self.site.dir / f"{name}.log" for name in ("output", "breakage", "program"))]

    # Writing the server's config

    def folder(self, name):
        path = self.site.dir / name
        path.mkdir(exist_ok=True)
        give_to_web_user(path)
        return path

    def take_shipped(self):
        """A copy of the shipped config, for servers that read it again after they gave up root."""
        path = self.site.dir / "shipped.conf"
        shutil.copy(REPO / self.shipped, path)
        return path

    def write(self, name, text):
        path = self.site.dir / name
        path.write_text(text)
        return path

    def configure(self):
        raise NotImplementedError

    def argv(self):
        raise NotImplementedError

    # Running

    def start(self):
        try:
            if self.pool:
                self.pool.start()
            self.configure()
            self.start_server()
        except Exception as fault:
            raise AssertionError(f"{self.name} does not start\n{self.text()}") from fault
        return self

    def start_server(self):
        begun = self.times_started()
        self.proc = Proc(self.argv(), self.site.dir / "output.log")
        self.proc.ready(lambda: self.times_started() > begun and accepts(self.port), 20, self.name)
        answer = client.request(self.port, "GET", self.prefix + "/healthz")
        assert answer.status == 200, f"{answer.status} {answer.body!r}\n{self.text()}"

    def times_started(self):
        return self.log.read_text(errors="replace").count(self.started) if self.log.exists() else 0

    def reload(self):
        """Reloads the server as its service unit does, and waits until it says that it has."""
        self.begin_reload()()

    def begin_reload(self, limit=20):
        """Asks for a reload; what it returns waits until it is done."""
        begun = self.times_started()
        self.proc.send(self.reload_signal)
        what = f"{self.name} to reload"
        return lambda: wait_until(lambda: self.times_started() > begun, limit, lambda: f"{what}\n{self.text()}")

    def stop_server(self, number=signal.SIGTERM, limit=15):
        """Stops the web server alone; returns how many seconds that took."""
        return self.proc.stop(number, limit)

    def close(self):
        """Stops all, checks that nothing bad was logged, and removes the folder."""
        try:
            if self.proc.running():
                self.stop_server()
            if self.pool:
                self.pool.stop()
            self.check_logs()
        finally:
            self.proc.kill()
            if self.pool:
                self.pool.proc.kill()
        self.site.remove()

    def text(self):
        """All that server and program have logged."""
        return "".join(f"== {p}\n{p.read_text(errors='replace')}" for p in self.logs if p.exists())

    def check_logs(self):
        """Fails when a sanitizer or a secret speaks in what was logged since the last check."""
        text = ""
        for path in [*self.logs, *self.site.state.glob("ledger-*.jsonl")]:
            whole = path.read_text(errors="replace") if path.exists() else ""
            text += whole[self._checked.get(path, 0) :]
            self._checked[path] = len(whole)
        reports = sanitizer_reports(text)
        secrets = [s for s in self.site.secrets() if s in text]
        if reports or secrets:
            self.site.kept = True
        assert not reports, "\n".join(reports) + f"\nlogs: {self.site.dir}"
        assert not secrets, f"a secret in the logs: {self.site.dir}"

    def programs(self):
        """The processes that run this host's copy of the program."""
        return running(self.site.bin)

    # Asking

    def call(self, method, path, headers=(), body=None, chunks=None, close=True):
        """Sends a request and returns the open Call."""
        return client.Call(self.port).send(method, self.prefix + path, headers, body, chunks, close)

    def request(self, method, path, headers=(), body=None, chunks=None, limit=30):
        """One whole call."""
        return client.request(self.port, method, self.prefix + path, headers, body, chunks, limit)

    def auth(self, key=None):
        return [("x-api-key", (key or self.site.key).text), ("anthropic-version", "2023-06-01")]

    def post(self, body, path="/v1/messages", headers=None, chunks=None):
        """An authorised POST, sent and left open."""
        headers = self.auth() if headers is None else headers
        return self.call("POST", path, [*headers, ("content-type", "application/json")], body, chunks)


APACHE = """
ServerRoot "{dir}"
DefaultRuntimeDir "{dir}/run"
PidFile "{dir}/run/apache.pid"
ErrorLog "{log}"
LogLevel notice
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
{account}
{modules}
StartServers 1
MinSpareThreads 25
MaxSpareThreads 75
ThreadsPerChild 25
MaxRequestWorkers 150
Timeout 300
KeepAlive On
TypesConfig /etc/mime.types
{module_settings}
<Directory />
    AllowOverride None
    Require all denied
</Directory>
# A compressor and a small limit for the whole server, as some sites have them: the shipped files must lift both.
LimitRequestBody 1048576
AddOutputFilterByType DEFLATE text/event-stream application/json
Define POSTERN_VHOST 127.0.0.1:{port}
Define POSTERN_NAME 127.0.0.1
Define POSTERN_SOCKET {dir}/postern.sock
Define POSTERN_BIN {bin}
Define POSTERN_CONF {conf}
"""


class Apache(Host):
    started = "resuming normal operations"
    half_closed_is_gone = False
    modules = ()
    module_settings = ""

    def configure(self):
        self.folder("run")
        names = "mpm_event authz_core env setenvif alias mime dir filter deflate reqtimeout".split()
        loads = [f"LoadModule {n}_module /usr/lib/apache2/modules/mod_{n}.so" for n in (*names, *self.modules)]
        text = APACHE.format(
            dir=self.site.dir,
            log=self.log,
            port=self.port,
            account=f"User {WEB_USER}\nGroup {WEB_USER}" if is_root() else "",
            modules="\n".join(loads),
            module_settings=self.module_settings.format(dir=self.site.dir),
            bin=self.site.bin,
            conf=self.site.conf,
        )
        self.write("apache.conf", text + self.vhost())

    def vhost(self):
        return f"Include {self.take_shipped()}\n"

    def argv(self):
        return ["/usr/sbin/apache2", "-d", self.site.dir, "-f", self.site.dir / "apache.conf", "-D", "FOREGROUND"]


class ApacheProxy(Apache):
    name = "apache-proxy"
    shipped = "apache/postern-proxy.conf"
    modules = ("proxy", "proxy_fcgi")
    pooled = True
    passes_body = True


class ApacheFcgid(Apache):
    name = "apache-fcgid"
    shipped = "apache/postern-fcgid.conf"
    modules = ("fcgid",)
    module_settings = 'FcgidIPCDir "{dir}/run"\nFcgidProcessTableFile "{dir}/run/fcgid_shm"\nFcgidConnectTimeout 20'
    # mod_fcgid ends its processes a few seconds after a reload, whatever they do.
    reload_keeps = False


class ApacheCgi(Apache):
    name = "apache-cgi"
    shipped = "apache/postern-cgi.conf"
    modules = ("cgid",)
    passes_body = True
    per_call = True
    module_settings = 'ScriptSock "{dir}/run/cgisock"'


class ApacheHtaccess(Apache):
    """What a shared host gives: a folder of the web site, and a .htaccess in it."""

    name = "apache-htaccess"
    shipped = "apache/htaccess"
    modules = ("cgid", "rewrite")
    passes_body = True
    per_call = True
    module_settings = 'ScriptSock "{dir}/run/cgisock"'
    whole = False

    def vhost(self):
        self.place = self.folder("www") / self.prefix.strip("/")
        self.place.mkdir(exist_ok=True)
        shutil.copy(self.site.bin, self.place / "postern.cgi")
        shutil.copy(REPO / self.shipped, self.place / ".htaccess")
        (self.place / "postern.conf").symlink_to(self.site.conf)
        return f"""
            <VirtualHost 127.0.0.1:{self.port}>
                DocumentRoot {self.site.dir}/www
                <Directory {self.site.dir}/www>
                    AllowOverride FileInfo Options=ExecCGI
                    Options FollowSymLinks
                    Require all granted
                </Directory>
            </VirtualHost>
            """

    def programs(self):
        return running(self.place / "postern.cgi")


class ApacheHtaccessFolder(ApacheHtaccess):
    name = "apache-htaccess-folder"
    prefix = "/gate"


LIGHTTPD = """
server.modules = ( "mod_indexfile", "mod_access", "mod_alias", "mod_redirect" )
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{dir}"
server.upload-dirs = ( "{dir}/uploads" )
server.errorlog = "{log}"
server.breakagelog = "{dir}/breakage.log"
{account}
server.feature-flags += ( "server.h2proto" => "enable", "server.h2c" => "enable" )
server.feature-flags += ( "server.graceful-shutdown-timeout" => 2 )
index-file.names = ( "index.php", "index.html" )
url.access-deny = ( "~", ".inc" )
static-file.exclude-extensions = ( ".php", ".pl", ".fcgi" )
include "shipped.conf"
server.modules += ( "mod_dirlisting", "mod_staticfile" )
"""


class Lighttpd(Host):
    started = "server started"
    tells_after_head = True
    # Running streams are cut when the time for a graceful shutdown is over.
    reload_keeps = False
    gentle_stop_waits = False
    gentle_signal = signal.SIGINT
    settings = ""

    def configure(self):
        self.folder("uploads")
        self.take_shipped()
        settings = self.settings.format(dir=self.site.dir, bin=self.site.bin, conf=self.site.conf)
        self.write("postern.local.conf", settings)
        text = LIGHTTPD.format(
            dir=self.site.dir,
            log=self.log,
            port=self.port,
            account=f'server.username = "{WEB_USER}"\nserver.groupname = "{WEB_USER}"' if is_root() else "",
        )
        self.write("lighttpd.conf", text)

    def argv(self):
        return ["/usr/sbin/lighttpd", "-D", "-f", self.site.dir / "lighttpd.conf"]


class LighttpdSocket(Lighttpd):
    name = "lighttpd-socket"
    shipped = "lighttpd/postern-socket.conf"
    settings = 'var.postern_socket := "{dir}/postern.sock"\n'
    pooled = True


class LighttpdBinPath(Lighttpd):
    name = "lighttpd-bin-path"
    shipped = "lighttpd/postern-bin-path.conf"
    settings = (
        'var.postern_bin := "{bin}"\n'
        'var.postern_conf := "{conf}"\n'
        'var.postern_socket := "{dir}/lighttpd-postern.sock"\n'
    )


class LighttpdCgi(Lighttpd):
    name = "lighttpd-cgi"
    shipped = "lighttpd/postern-cgi.conf"
    settings = 'var.postern_bin := "{bin}"\nvar.postern_conf := "{conf}"\n'
    tells_by_term = True
    per_call = True


NGINX = """
{account}
daemon off;
pid {dir}/nginx.pid;
error_log {log} notice;
events {{ worker_connections 512; }}
http {{
    access_log off;
    gzip on;
    gzip_types text/event-stream application/json;
    client_body_temp_path {dir}/uploads;
    fastcgi_temp_path {dir}/fastcgi;
    proxy_temp_path {dir}/proxy;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    upstream postern {{ server unix:{dir}/postern.sock; }}
    server {{
        listen 127.0.0.1:{port};
        include {shipped};
    }}
}}
"""


class Nginx(Host):
    name = "nginx"
    shipped = "deploy/nginx-postern.conf"
    started = "start worker process "
    pooled = True
    tells_before_head = True
    tells_after_head = True
    reload_signal = signal.SIGHUP
    gentle_signal = signal.SIGQUIT

    def configure(self):
        text = NGINX.format(
            dir=self.site.dir,
            log=self.log,
            port=self.port,
            shipped=self.take_shipped(),
            account=f"user {WEB_USER};\nworker_processes 1;" if is_root() else "worker_processes 1;",
        )
        self.write("nginx.conf", text)

    def argv(self):
        return ["/usr/sbin/nginx", "-p", self.site.dir, "-e", self.log, "-c", self.site.dir / "nginx.conf"]


ALL = [
    ApacheProxy,
    ApacheFcgid,
    ApacheCgi,
    ApacheHtaccess,
    LighttpdSocket,
    LighttpdBinPath,
    LighttpdCgi,
    Nginx,
]
