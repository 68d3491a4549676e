#!/usr/bin/env python3
"""Clients that speak wrongly are refused in words, and nobody else notices.

    refusal_test.py --hoptap PATH     needs openssl for certificates

A tracer with mutual TLS; probes with no TLS, a wrong authority, no certificate, an expired one; bytes that are no protocol,
connections that say nothing, on both ports; beside all that a probe that does it right, and certificates that change.
"""

import argparse
import pathlib
import socket
import subprocess
import sys
import tempfile

import daemons
import forging

# What a probe must say, in lower case.
WORDS = {
    "plain": "tls",
    "wrong authority": "authority",
    "no certificate": "certificate",
    "expired": "expired",
}


def run(*words):
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Authority:
    """Signs certificates with openssl."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout",
            self.key, "-out", self.certificate)

    def sign(self, name, *, expired=False):
        """@return certificate and key for 127.0.0.1"""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        names = self.folder / "names.txt"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        if expired:  # openssl 3.0's x509 cannot date back; its ca can
            self._sign_dated(request, certificate, names)
        else:
            run("openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-extfile", names, "-days", "30", "-out", certificate)
        return certificate, key

    def _sign_dated(self, request, certificate, names):
        config = self.folder / "ca.cnf"
        (self.folder / "index.txt").write_text("")
        (self.folder / "serial.txt").write_text("1000\n")
        config.write_text(f"""[ca]
default_ca=a
[a]
database={self.folder}/index.txt
serial={self.folder}/serial.txt
new_certs_dir={self.folder}
certificate={self.certificate}
private_key={self.key}
default_md=sha256
policy=p
[p]
commonName=supplied
""")
        run("openssl", "ca", "-batch", "-config", config, "-in", request, "-out", certificate, "-notext", "-startdate",
            "20200101000000Z", "-enddate", "20200102000000Z", "-extfile", names)


def probe_config(path, ca="", certificate="", key="", tls=True):
    lines = [f"{name}: {value}" for name, value in (("ca", ca), ("certificate", certificate), ("key", key)) if value]
    path.write_text("tracer: {retry_max_s: 0.5" + (", tls: {" + ", ".join(lines) + "}" if tls else "") + "}\n")
    return path


def noise(port):
    """Connections that say nothing, begin and stop, or talk nonsense; kept open by the caller."""
    kept = []
    for begin in (b"", b"GET", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00" * 100_000,
                  b"GET / HTTP/1.1\r\nx: " + b"y" * 60_000):
        for _ in range(10):
            one = socket.create_connection(("127.0.0.1", port), timeout=5)
            kept.append(one)
            try:
                one.sendall(begin)
            except OSError:
                pass  # it was cut off while it spoke: that is how it should be
    return kept


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--hoptap", required=True)
    options = words.parse_args()
    failures = []
    with tempfile.TemporaryDirectory(prefix="hoptap-refusal-") as scratch:
        folder = pathlib.Path(scratch)
        ours, others = Authority(folder, "ours"), Authority(folder, "others")
        server, server_key = ours.sign("server")
        good, good_key = ours.sign("good")
        old, old_key = ours.sign("old", expired=True)
        captures = forging.forge(options.hoptap, folder, "load", requests=300, rate_per_s=100)
        expected = daemons.offline(options.hoptap, captures)
        tracer = daemons.Tracer(options.hoptap, folder / "tracer",
                                f"collect: {{tls: {{certificate: {server}, key: {server_key}, client_ca: {ours.certificate}}}}}\n")
        configs = {
            "plain": probe_config(folder / "plain.yaml", tls=False),
            "wrong authority": probe_config(folder / "wrong.yaml", others.certificate, good, good_key),
            "no certificate": probe_config(folder / "none.yaml", ours.certificate),
            "expired": probe_config(folder / "expired.yaml", ours.certificate, old, old_key),
        }
        right = probe_config(folder / "right.yaml", ours.certificate, good, good_key)
        with daemons.running(tracer):
            kept = noise(int(tracer.collector.rsplit(":", 1)[1])) + noise(int(tracer.http.rsplit(":", 1)[1]))
            for name, config in configs.items():
                probe = daemons.Probe(options.hoptap, tracer.collector, folder / name, "bad", captures[:1], "-c", config,
                                      "--wait", "3").start()
                code, said = probe.process.wait(timeout=60), probe.log()
                print(f"{name}: exit {code}: {said.splitlines()[0] if said else 'nothing'}")
                if code != 4 or WORDS[name] not in said.lower():
                    failures.append(f"{name}: the probe does not say '{WORDS[name]}', or ends with {code}: {said}")
            renewed, renewed_key = ours.sign("renewed")
            for at, (capture, point) in enumerate(captures):
                if at == 2:  # a new certificate, while the tracer runs
                    server_key.write_bytes(renewed_key.read_bytes())
                    server.write_bytes(renewed.read_bytes())
                daemons.Probe(options.hoptap, tracer.collector, folder / point, point, [(capture, point)], "-c",
                              right).start().wait()
            tracer.wait_until_settled()
            failures += daemons.differences(expected["trace"], tracer.traces())
            ended = {name: value for name, value in tracer.metrics().items() if "streams_ended" in name and value}
            for one in kept:
                one.close()
            tracer.stop()
        print(f"beside {len(kept)} hostile connections: {len(expected['trace'])} traces as hoptap path has them; {ended}")
    for line in failures:
        print("  " + line)
    return 1 if failures else 0


sys.exit(main())
