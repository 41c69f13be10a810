"""Closes that are no idle timeout: a count, an age, a reload, a read timeout, a worker that dies; and a connection per request."""
import signal
import time

from rig import servers
from rig.lab import pooled_leg
from scenarios import scenario

SERVER = "10.9.0.2:80"


def direct(lab, *points):
    lab.net.add("c", "s")
    lab.net.link("c", "eth0", "10.9.0.1/24", "s", "eth0", "10.9.0.2/24")


def hello(lab, more="", keep="65s"):
    return servers.nginx(lab, "s", f"  keepalive_timeout {keep}; {more}\n  server {{ listen 80; location / {{ return 200 \"hello\\n\"; }} }}\n")


@scenario("limit-nginx-keepalive-requests", "nginx keepalive_requests 3: every connection ends with its third response")
def nginx_requests(lab):
    direct(lab)
    hello(lab, "keepalive_requests 3;")
    lab.capture("client", "c")
    for number in range(5):
        client = lab.client("c", "10.9.0.2", who=f"client{number}")
        for _ in range(3):
            client.request()
            time.sleep(0.05 + 0.11 * number)
        client.close()
    lab.expect("request-limit-close", server=SERVER, why="keepalive_requests 3", limit=3)
    lab.expect("age-limit-close", server=SERVER, must="no", why="the ages differ by the pace of the requests")
    lab.timer(SERVER, None, "no connection was ever closed for being idle")


@scenario("limit-requests-unannounced", "a server that closes after 4 responses without saying so; the client sends a fifth request 30 ms later")
def silent_limit(lab):
    direct(lab)
    servers.python(lab, "s", "origin", 80, "--limit", 4, port=80)
    lab.capture("client", "c")
    for number in range(4):
        client = lab.client("c", "10.9.0.2", who=f"client{number}")
        for _ in range(4):
            client.request()
            time.sleep(0.03 + 0.05 * number)
        outcome = client.request("POST", "/fifth", b"x=1")
        lab.label(client.local, "stale_reuse", why=f"a fifth request after the server's FIN; the client got {outcome}", accept=["close-race"])
        client.close()
    lab.expect("request-limit-close", server=SERVER, why="the server's own limit of 4", limit=4)
    lab.timer(SERVER, None, "no connection was ever closed for being idle")


@scenario("limit-nginx-keepalive-time", "nginx keepalive_time 3s: connections end at the first response after 3 s, whatever their pace")
def nginx_age(lab):
    direct(lab)
    hello(lab, "keepalive_time 3s;")
    lab.capture("client", "c")

    def one(number):
        time.sleep(0.4 * number)
        client = lab.client("c", "10.9.0.2", who=f"client{number}")
        pace = (0.10, 0.13, 0.17, 0.21, 0.15)[number]
        ends = time.monotonic() + 6
        while time.monotonic() < ends and client.request().startswith("HTTP/1.1 200"):
            time.sleep(pace)
            if b"" == peek(client):
                break
        client.close()
    lab.together(*(lambda n=n: one(n) for n in range(5)))
    lab.expect("age-limit-close", server=SERVER, why="keepalive_time 3s", seconds=3.0)
    lab.expect("request-limit-close", server=SERVER, must="no", why="the counts differ by the pace of the requests")
    lab.timer(SERVER, None, "no connection was ever closed for being idle")


@scenario("limit-age-idle", "a server that closes connections 4 s after the accept, idle for however long")
def age_idle(lab):
    direct(lab)
    servers.python(lab, "s", "origin", 80, "--age", 4, port=80)
    lab.capture("client", "c")

    def one(number, last):
        time.sleep(0.3 * number)
        client = lab.client("c", "10.9.0.2", who=f"client{number}")
        began = time.monotonic()
        for at in (0.0, last / 2, last):
            time.sleep(max(0.0, began + at - time.monotonic()))
            client.request()
        client.attend(6)
        lab.label(client.local, "idle_close", "no", "closed at the age of 4 s, noticed at once")
    lab.together(*(lambda n=n, s=s: one(n, s) for n, s in enumerate((0.6, 1.4, 2.0, 2.7, 3.2, 3.6))))
    lab.expect("age-limit-close", server=SERVER, why="the server's own limit of 4 s", seconds=4.0)
    lab.timer(SERVER, None, "no connection was ever closed for being idle")


def peek(client):
    """b"" when the server has closed; None when nothing is there."""
    import socket
    client.socket.setblocking(False)
    try:
        return client.socket.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return None
    except OSError:
        return b""
    finally:
        client.socket.settimeout(20)


@scenario("mass-close-nginx-reload", "nginx -s reload: eight idle connections end at the same moment, after different idle times")
def reload(lab):
    direct(lab)
    home = hello(lab)
    lab.capture("client", "c")
    clients = []
    for number in range(8):
        clients.append(lab.client("c", "10.9.0.2", who=f"client{number}"))
        clients[-1].request()
        time.sleep(0.5)
    time.sleep(1.2)
    lab.event("operator", "nginx -s reload")
    lab.net.run("s", "nginx", "-p", home, "-c", home / "nginx.conf", "-s", "reload")
    time.sleep(1.0)
    for client in clients:
        lab.label(client.local, "idle_close", "no", "closed by a reload, noticed in time")
        client.close()
    after = lab.client("c", "10.9.0.2", who="after")
    after.request()
    after.close()
    lab.expect("mass-close", server=SERVER, why="nginx -s reload", connections=8)
    lab.timer(SERVER, None, "the idle times of the closes differ: no timer")


@scenario("mass-close-restart-reused", "the server is restarted; clients that do not look use their dead connections")
def restart(lab):
    direct(lab)
    log = servers.python(lab, "s", "origin", 80, port=80)
    lab.capture("client", "c")
    clients = []
    for number in range(6):
        clients.append(lab.client("c", "10.9.0.2", who=f"client{number}"))
        clients[-1].request()
        time.sleep(0.45)
    time.sleep(1.5)
    lab.event("operator", "kill the server")
    kill(lab, "origin.py")
    time.sleep(0.5)
    servers.python(lab, "s", "origin", 80, port=80, name="second")
    time.sleep(0.5)
    for number, client in enumerate(clients):
        outcome = client.request("POST", "/late", b"x=1")
        lab.label(client.local, "stale_reuse", why=f"the server process was killed 1 s before; the client got {outcome}")
        client.close()
        time.sleep(0.1)
    lab.expect("mass-close", server=SERVER, why="restart", connections=6)
    lab.timer(SERVER, None, "the idle times of the closes differ: no timer")
    del log


def kill(lab, program):
    """Ends a program of this scenario at once, as a crash would."""
    import os
    for process in lab.net.processes:
        if process.poll() is None and any(program in str(w) for w in process.args):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


@scenario("mass-close-near-miss-timer", "eight connections opened together reach an idle timeout of 3 s together: a timer, no event")
def together(lab):
    direct(lab)
    hello(lab, keep="3s")
    lab.capture("client", "c")
    clients = [lab.client("c", "10.9.0.2", who=f"client{n}") for n in range(8)]
    for client in clients:
        client.request()
    time.sleep(3.3)
    for client in clients:
        lab.label(client.local, "idle_close", "no", "idle timeout of 3 s, noticed in time")
        client.close()
    lab.expect("mass-close", server=SERVER, must="no", why="the same idle time everywhere: an idle timeout")
    lab.timer(SERVER, 3.0, "keepalive_timeout 3s")


@scenario("churn-close-each", "a client that opens a connection per request, to a server that would keep it for 65 s")
def churn(lab):
    direct(lab)
    hello(lab)
    lab.capture("client", "c")
    for number in range(40):
        client = lab.client("c", "10.9.0.2", who="client")
        client.request()
        client.close()
        time.sleep(0.05)
    keeps = lab.client("c", "10.9.0.2", who="keeps")
    for _ in range(3):
        keeps.request()
        time.sleep(0.4)
    keeps.close()
    lab.expect("connection-churn", server=SERVER, client="10.9.0.1", why="40 connections for 40 requests")
    lab.timer(SERVER, None, "the client closes each")


@scenario("churn-near-miss-server-closes", "a connection per request because the server does not keep connections (keepalive_timeout 0)")
def no_keep(lab):
    direct(lab)
    hello(lab, keep="0")
    lab.capture("client", "c")
    for number in range(20):
        client = lab.client("c", "10.9.0.2", who="client")
        client.request()
        client.close()
        time.sleep(0.05)
    lab.expect("connection-churn", server=SERVER, must="no", why="the server asks for it: Connection: close on every response")
    lab.timer(SERVER, None, "no idle time")


def proxied(lab):
    lab.net.add("c", "p", "s")
    lab.net.link("c", "eth0", "10.9.1.2/24", "p", "front0", "10.9.1.1/24")
    lab.net.link("p", "back0", "10.9.2.1/24", "s", "eth0", "10.9.2.2/24")


def read_timeout_leg(facts):
    """The proxy gives up on requests the server has acknowledged."""
    if facts.requests and len(facts.requests) > len(facts.responses):
        return "idle_during_response", "yes", "the proxy's read timeout of 2 s ended it while the response was outstanding", ["abandoned-response"]
    return "none", "no", ""


@scenario("read-timeout-haproxy", "HAProxy timeout server 2s, a server that needs 6 s: 504 to the caller, the upstream connection given up")
def haproxy_read(lab):
    proxied(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    servers.haproxy(lab, "p", """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 2s
frontend f
  bind :8080
  default_backend b
backend b
  server s 10.9.2.2:80
""")
    slow_calls(lab)


@scenario("read-timeout-nginx", "nginx proxy_read_timeout 2s, a server that needs 6 s: 504 to the caller, the upstream connection given up")
def nginx_read(lab):
    proxied(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    servers.nginx(lab, "p", """
  upstream o { server 10.9.2.2:80; keepalive 8; }
  server { listen 8080; location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 2s; } }
""", port=8080)
    slow_calls(lab)


@scenario("read-timeout-envoy", "Envoy with a route timeout of 2s, a server that needs 6 s: 504 to the caller, the upstream connection given up")
def envoy_read(lab):
    proxied(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    servers.envoy(lab, "p", [{"match": {"prefix": "/"}, "route": {"cluster": "o", "timeout": "2s"}}], [servers.envoy_cluster("o", "10.9.2.2", 80)])
    slow_calls(lab)


def slow_calls(lab):
    lab.capture("proxy", "p", "any")

    def one(number):
        time.sleep(0.3 * number)
        client = lab.client("c", "10.9.1.1", 8080, who=f"caller{number}")
        client.request("GET", "/quick")
        status = client.request("GET", "/slow/6" if number else "/slow/1.5")
        lab.label(client.local, "none", "no", f"the caller got {status}", may=["idle-during-response"])
        client.close()
    lab.together(*(lambda n=n: one(n) for n in range(5)))
    lab.rule("10.9.2.2:80", read_timeout_leg)
    lab.expect("timeout-mismatch", server="10.9.2.2:80", must="no", why="a read timeout is no keep-alive timer")
    lab.timer("10.9.2.2:80", None, "the server closes nothing by itself")


@scenario("read-timeout-haproxy-tcp", "HAProxy in TCP mode, timeout client and server 2s, a server that needs 5 s: both legs end without an answer")
def tcp_mode(lab):
    proxied(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    servers.haproxy(lab, "p", """
defaults
  mode tcp
  timeout connect 5s
  timeout client 2s
  timeout server 2s
listen f
  bind :8080
  server s 10.9.2.2:80
""")
    lab.capture("proxy", "p", "any")

    def one(number):
        time.sleep(0.3 * number)
        client = lab.client("c", "10.9.1.1", 8080, who=f"caller{number}")
        client.request("GET", "/quick")
        status = client.request("GET", "/slow/5")
        lab.label(client.local, "idle_during_response", "yes", f"closed by a timer of 2 s while the response was outstanding; the caller got {status}",
                  accept=["closed-without-response"])
        client.close()
    lab.together(*(lambda n=n: one(n) for n in range(4)))
    lab.rule("10.9.2.2:80", read_timeout_leg)


@scenario("abandoned-client-gives-up", "a client that waits 1.3 to 3 s for an answer and leaves, by FIN or RST; beside it patient ones")
def gives_up(lab):
    direct(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    lab.capture("client", "c")

    def impatient(number, patience):
        client = lab.client("c", "10.9.0.2", who=f"impatient{number}", timeout=patience)
        client.request()
        client.request("GET", "/slow/6")
        lab.label(client.local, "abandoned_response", why=f"the client left after {patience} s without a response octet", accept=["idle-during-response"])
        client.reset() if number % 2 else client.close()

    def patient():
        client = lab.client("c", "10.9.0.2", who="patient")
        client.request()
        client.request("GET", "/slow/4")
        lab.label(client.local, "none", "no", "a slow answer, waited for (long poll)")
        client.close()

    def download():
        client = lab.client("c", "10.9.0.2", who="download")
        client.send(b"GET /drip/200000 HTTP/1.1\r\nHost: s\r\n\r\n")
        client.receive(lambda octets: len(octets) > 20000)
        lab.label(client.local, "none", "no", "a download given up while octets flow")
        client.close()

    def hurried():
        client = lab.client("c", "10.9.0.2", who="hurried", timeout=0.4)
        client.request("GET", "/slow/3")
        lab.label(client.local, "none", "no", "left after 0.4 s: too early to say")
        client.close()
    lab.together(*(lambda n=n, s=s: impatient(n, s) for n, s in enumerate((1.3, 1.9, 2.4, 3.0))), patient, download, hurried)


@scenario("worker-killed", "the server process is killed while three requests are under way and two connections are idle")
def killed(lab):
    direct(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    lab.capture("client", "c")
    working = []

    def busy(number):
        time.sleep(0.37 * number)
        client = lab.client("c", "10.9.0.2", who=f"busy{number}")
        client.request()
        working.append(client)
        outcome = client.request("POST", "/slow/10", b"x=1")
        lab.label(client.local, "closed_without_response", why=f"the worker was killed with the request in its hands; the client got {outcome}")
        client.close()

    def idle(number):
        client = lab.client("c", "10.9.0.2", who=f"idle{number}")
        client.request()
        time.sleep(3)
        lab.label(client.local, "none", "no", "idle when the server died")
        client.close()

    def operator():
        time.sleep(2)
        lab.event("operator", "kill -9")
        kill(lab, "origin.py")
    lab.together(*(lambda n=n: busy(n) for n in range(3)), *(lambda n=n: idle(n) for n in range(2)), operator)
    lab.expect("mass-close", server=SERVER, must="maybe", why="five connections end together")


@scenario("worker-killed-gateway", "an nginx whose upstream dies with requests under way: 502 to the caller")
def killed_behind(lab):
    proxied(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    servers.nginx(lab, "p", """
  upstream o { server 10.9.2.2:80; keepalive 8; }
  server { listen 8080; location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream off; } }
""", port=8080)
    lab.capture("proxy", "p", "any")
    seen = []

    def busy(number):
        time.sleep(0.3 * number)
        client = lab.client("c", "10.9.1.1", 8080, who=f"caller{number}")
        client.request()
        seen.append(client.request("POST", "/slow/10", b"x=1"))
        client.close()

    def operator():
        time.sleep(2)
        lab.event("operator", "kill -9")
        kill(lab, "origin.py")
    lab.together(*(lambda n=n: busy(n) for n in range(3)), operator)
    lab.config["callers_got"] = seen

    def leg(facts):
        if len(facts.requests) > len(facts.responses):
            return "closed_without_response", "yes", "the worker was killed with the request in its hands"
        return pooled_leg(facts)
    lab.rule("10.9.2.2:80", leg)


@scenario("limit-near-miss-client-closes", "a client that closes after three requests or at an age of 2 s: its own rule, not the server's")
def client_rule(lab):
    direct(lab)
    hello(lab)
    lab.capture("client", "c")

    def counted(number):
        client = lab.client("c", "10.9.0.2", who=f"counted{number}")
        for _ in range(3):
            client.request()
            time.sleep(0.1 + 0.07 * number)
        client.close()

    def aged(number):
        client = lab.client("c", "10.9.0.2", who=f"aged{number}")
        ends = time.monotonic() + 2
        while time.monotonic() < ends:
            client.request()
            time.sleep(0.11 + 0.05 * number)
        client.close()
    lab.together(*(lambda n=n: counted(n) for n in range(4)), *(lambda n=n: aged(n) for n in range(4)))
    for kind in ("request-limit-close", "age-limit-close"):
        lab.expect(kind, server=SERVER, must="no", why="the client closes, the server never does")
    lab.timer(SERVER, None, "the server never closes")


@scenario("preconnect-header-timeout", "connections opened in advance: nginx closes them after client_header_timeout 2s; one is used too late, one in time")
def preconnect(lab):
    direct(lab)
    hello(lab, "client_header_timeout 2s;")
    lab.capture("client", "c")

    def one(number, wait):
        client = lab.client("c", "10.9.0.2", who=f"preconnect{number}")
        client.idle_until(wait)
        outcome = client.request()
        if wait > 2:
            lab.label(client.local, "stale_reuse", why=f"the first request comes {wait} s after the handshake, the server closed after 2 s; the client got {outcome}")
        else:
            lab.label(client.local, "none", "no", "used in time")
        client.close()

    def unused():
        client = lab.client("c", "10.9.0.2", who="unused")
        client.attend(4)
        lab.label(client.local, "idle_close", "no", "never used, the close was noticed")
    lab.together(*(lambda n=n, w=w: one(n, w) for n, w in enumerate((1.2, 3.0, 3.7))), unused)


@scenario("abandoned-behind-nginx", "callers that leave after 1.5 to 2.5 s; nginx then leaves its server too (499)")
def abandoned_behind(lab):
    proxied(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    servers.nginx(lab, "p", """
  upstream o { server 10.9.2.2:80; keepalive 8; }
  server { listen 8080; location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; } }
""", port=8080)
    lab.capture("proxy", "p", "any")

    def one(number, patience):
        client = lab.client("c", "10.9.1.1", 8080, who=f"caller{number}", timeout=patience)
        client.request("GET", "/quick")
        client.request("GET", "/slow/5")
        lab.label(client.local, "abandoned_response", why=f"the caller left after {patience} s", accept=["idle-during-response"])
        client.close()
    lab.together(*(lambda n=n, s=s: one(n, s) for n, s in enumerate((1.5, 1.9, 2.5))))

    def leg(facts):
        if len(facts.requests) > len(facts.responses):
            return "abandoned_response", "yes", "nginx left because its caller had", ["idle-during-response"]
        return "none", "no", ""
    lab.rule("10.9.2.2:80", leg)
