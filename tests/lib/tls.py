"""Certificates for servers of the tests: good ones, and each way of being no good."""

import ssl
import subprocess

from .proc import scratch_dir


class Authority:
    """A certificate authority of the tests' own, and the certificates that it gives out."""

    def __init__(self):
        self.dir = scratch_dir()
        self.ca = self.dir / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                      "-subj", "/CN=test authority", "-keyout", self.dir / "ca.key", "-out", self.ca)  # fmt: skip
        (self.dir / "index.txt").touch()
        (self.dir / "ca.conf").write_text(
            "[ca]\ndefault_ca = d\n[d]\n"
            f"database = {self.dir}/index.txt\nnew_certs_dir = {self.dir}\nrand_serial = yes\n"
            "default_md = sha256\npolicy = p\ncopy_extensions = copy\nunique_subject = no\n[p]\ncommonName = supplied\n"
        )
        self.good = self.give("good", "IP:127.0.0.1")
        self.other_name = self.give("other", "DNS:api.example.org")
        self.expired = self.give("expired", "IP:127.0.0.1", "20200101000000Z", "20200201000000Z")

    def _openssl(self, *args):
        done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr

    def give(self, name, alternative, start="20240101000000Z", end="20491231000000Z"):
        base = self.dir / name
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                      f"/CN={name}", "-addext", f"subjectAltName={alternative}", "-keyout", f"{base}.key", "-out",
                      f"{base}.csr")  # fmt: skip
        self._openssl("ca", "-batch", "-notext", "-config", self.dir / "ca.conf", "-cert", self.ca, "-keyfile",
                      self.dir / "ca.key", "-startdate", start, "-enddate", end, "-in", f"{base}.csr", "-out",
                      f"{base}.pem")  # fmt: skip
        return base

    def context(self, base):
        """What a server shows that has this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{base}.pem", f"{base}.key")
        return context
