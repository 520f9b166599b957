"""A real nginx in front of what is tested: its stock media types, its own folder, a child of the test."""

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

CONFIG = """
daemon off;
master_process off;  # one process, with the rights of the test
pid nginx.pid;
error_log error.log;
events {}
http {
    include %(types)s;
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:%(port)d;
        %(server)s
    }
}
"""
TRIES = 5  # another process may take the port in between


@contextmanager
def nginx(server: str) -> Iterator[int]:
    """nginx with the directives `server` in its server block, such as "location /digits/ { … }": its port.

    Skips the test where nginx is missing.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    if not program:
        pytest.skip("nginx is missing: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as folder:
        process, port = _started(program, Path(folder), server)
        try:
            yield port
        finally:
            process.terminate()
            process.wait(timeout=60)


def _started(program: str, folder: Path, server: str) -> tuple[subprocess.Popen, int]:
    about = subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stderr
    types = Path(re.search(r"--conf-path=(\S+)", about)[1]).with_name("mime.types")
    for _ in range(TRIES):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "nginx.conf").write_text(CONFIG % {"types": types, "port": port, "server": server})
        process = subprocess.Popen(
            [program, "-p", folder, "-c", folder / "nginx.conf", "-e", "error.log"], stderr=subprocess.DEVNULL
        )
        if _listens(process, port):
            return process, port
    raise RuntimeError(f"nginx does not start: {(folder / 'error.log').read_text()}")


def _listens(process: subprocess.Popen, port: int) -> bool:
    """Whether it accepts connections, once it does or has ended."""
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60):
            return True
        time.sleep(0.02)
    return False
