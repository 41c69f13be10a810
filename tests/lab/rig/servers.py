"""Servers and proxies from Debian, started in a namespace with a configuration of a few lines."""
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent.parent / "programs"


def nginx(lab, space, http, name="nginx", address="0.0.0.0", port=80, workers=1):
    """nginx with these lines inside `http { }`; returns its directory (error.log, access.log, nginx.pid)."""
    home = lab.home / name
    home.mkdir()
    (home / "nginx.conf").write_text(f"""
user root;
worker_processes {workers};
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log info;
events {{ worker_connections 512; }}
http {{
  log_format l '$msec $remote_addr:$remote_port $status $connection_requests "$request" $upstream_status';
  access_log {home}/access.log l;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  default_type text/plain;
{http}
}}
""")
    lab.net.start(space, "nginx", "-p", home, "-c", home / "nginx.conf", stderr=(home / "start.log").open("wb"))
    lab.net.wait_for_port(space, address, port)
    return home


def haproxy(lab, space, text, port=8080, name="haproxy"):
    """HAProxy with this configuration; returns its log file, one line per request."""
    home = lab.home / name
    home.mkdir()
    (home / "haproxy.cfg").write_text(text)
    log = home / "log"
    lab.net.start(space, "haproxy", "-f", home / "haproxy.cfg", "-db", stdout=log.open("wb"), stderr=subprocess.STDOUT)
    lab.net.wait_for_port(space, "0.0.0.0", port)
    return log


def python(lab, space, program, *arguments, port, name=None):
    """One of the lab's own programs; its JSON lines go to the returned log."""
    log = lab.home / f"{name or program}-{port}.log"
    lab.net.start(space, sys.executable, "-u", PROGRAMS / f"{program}.py", *arguments, stdout=log.open("wb"), stderr=subprocess.STDOUT)
    lab.net.wait_for_port(space, "0.0.0.0", port)
    return log
