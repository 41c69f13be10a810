"""Servers of several protocols with their idle timers, blind clients that reuse too late, and beside them clients that do it right."""
import os
import shutil
import ssl
import struct
import subprocess
import time

from rig import servers
from rig.http import whole_response
from scenarios import scenario
from scenarios.closes import direct, proxied

AT = "10.9.0.2"


def blind(lab, client, call, idle, timer, accept=()):
    """`call` returns what came back, or None; `timer` is the server's. Labels the connection by what the client did."""
    client.idle_until(idle)
    outcome = call(client)
    if idle > timer:
        label_late(lab, client, f"used {idle} s after its last response, the server keeps {timer} s; the client got {client.error}", accept)
    else:
        lab.label(client.local, "none", "no", f"used after {idle} s, inside the server's {timer} s: {outcome!r:.40}")


def label_late(lab, client, why, accept=()):
    """A late use: a stale reuse, unless the server had reset the connection and the kernel refused to send."""
    if client.refused_locally:
        lab.label(client.local, "idle_close", "maybe", why + "; its kernel knew of the reset and sent nothing")
    else:
        lab.label(client.local, "stale_reuse", why=why, may=["close-wait-leak"], accept=accept)


def http_clients(lab, timer, port=80, idles=(0.4, 0.8, 1.4, 2.0), tls=None, accept=()):
    """Blind clients at multiples of the timer, and a watchful one that notices the close."""
    def one(number, idle):
        client = lab.client("c", AT, port, who=f"blind{number}", tls=tls)
        client.request()
        blind(lab, client, lambda c: c.request("POST", "/late", b"x=1"), idle, timer, accept)
        client.close()

    def watchful(number):
        client = lab.client("c", AT, port, who=f"watchful{number}", tls=tls)
        client.request()
        client.attend(timer * 2)
        lab.label(client.local, "idle_close", "no", "the client noticed the close at once")
    lab.together(*(lambda n=n, i=i: one(n, i * timer) for n, i in enumerate(idles)), *(lambda n=n: watchful(n) for n in range(2)))
    lab.timer(f"{AT}:{port}", timer if tls else "seen", f"configured {timer} s")
    lab.expect("timeout-mismatch", server=f"{AT}:{port}", client="10.9.0.1", why="the client keeps connections for longer than the server does")


@scenario("http-node", "Node's HTTP server, keepAliveTimeout 5 s")
def node(lab):
    direct(lab)
    lab.net.start("s", "node", servers.PROGRAMS / "server.js", 80, 5000)
    lab.net.wait_for_port("s", AT, 80)
    both_ends(lab)
    http_clients(lab, 5.0)


def both_ends(lab):
    lab.capture("client", "c")
    lab.capture("server", "s")


@scenario("http-apache", "Apache, KeepAliveTimeout 5")
def apache(lab):
    direct(lab)
    apache_server(lab, 5)
    both_ends(lab)
    http_clients(lab, 5.0, accept=["swallowed-request"])  # Apache lingers for 2 s after its FIN


@scenario("linger-apache", "Apache, KeepAliveTimeout 3: what comes within 2 s after its FIN is acknowledged and thrown away")
def linger(lab):
    direct(lab)
    apache_server(lab, 3)
    lab.capture("client", "c")

    def one(number, after):
        time.sleep(0.2 * number)
        client = lab.client("c", AT, 80, who=f"blind{number}")
        client.request()
        client.idle_until(3 + after)
        outcome = client.request("POST", "/late", b"x=1")
        lab.label(client.local, "stale_swallowed", why=f"sent {after} s after the server's FIN, into its lingering close; the client got {outcome}")
        time.sleep(2.0)
        client.close()
    lab.together(*(lambda n=n, after=after: one(n, after) for n, after in enumerate((0.3, 0.4, 0.5))))
    time.sleep(1.0)
    lab.timer(f"{AT}:80", "seen", "KeepAliveTimeout 3")
    lab.expect("timeout-mismatch", server=f"{AT}:80", client="10.9.0.1", why="the client keeps connections for longer than the server does")


@scenario("pool-keeps-closed", "nginx, keepalive_timeout 2s, and a pool that does not look: it keeps closed connections")
def keeps_closed(lab):
    direct(lab)
    servers.nginx(lab, "s", "keepalive_timeout 2s; server { listen 80; location / { return 200 \"hello\\n\"; } }")
    lab.capture("client", "c")
    kept = []

    def keep(number):
        client = lab.client("c", AT, 80, who=f"kept{number}")
        client.request()
        kept.append(client)
        client.idle_until(11)
        lab.label(client.local, "close_wait_leak", why="the client's socket stays in CLOSE_WAIT to the end of the capture, 9 s after the server's FIN")

    def late(number):
        client = lab.client("c", AT, 80, who=f"late{number}")
        client.request()
        client.idle_until(4)
        client.close()
        lab.label(client.local, "idle_close", "no", "the client closed 2 s after the server")
    lab.together(*(lambda n=n: keep(n) for n in range(3)), *(lambda n=n: late(n) for n in range(2)))
    busy = lab.client("c", AT, 80, who="busy")
    busy.request()
    busy.close()
    lab.timer(f"{AT}:80", "seen", "keepalive_timeout 2s")
    return kept


def apache_server(lab, seconds):
    home = lab.home / "apache"
    (home / "www").mkdir(parents=True)
    (home / "www/index.html").write_text("hello\n")
    modules = "/usr/lib/apache2/modules"
    (home / "apache.conf").write_text(f"""
ServerRoot {home}
ServerName lab
Listen 80
PidFile {home}/pid
Mutex file:{home}
ErrorLog {home}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
User www-data
Group www-data
DocumentRoot {home}/www
DirectoryIndex index.html
StartServers 1
KeepAlive On
KeepAliveTimeout {seconds}
FallbackResource /index.html
""")
    lab.net.start("s", "apache2", "-f", home / "apache.conf", "-D", "FOREGROUND")
    lab.net.wait_for_port("s", AT, 80)


@scenario("http-haproxy-server", "HAProxy as the server, timeout http-keep-alive 4s")
def haproxy_server(lab):
    direct(lab)
    servers.haproxy(lab, "s", """
defaults
  mode http
  timeout client 30s
  timeout http-keep-alive 4s
  timeout http-request 30s
frontend f
  bind :80
  http-request return status 200 content-type text/plain string "hello"
""", port=80)
    lab.capture("client", "c")
    http_clients(lab, 4.0)


@scenario("http-envoy-server", "Envoy as the server, idle_timeout 4s and drain_timeout 0.1s: it closes after both")
def envoy_server(lab):
    direct(lab)
    answer = {"status": 200, "body": {"inline_string": "hello\n"}}
    servers.envoy(lab, "s", [{"match": {"prefix": "/"}, "direct_response": answer}], port=80, common_http_protocol_options={"idle_timeout": "4s"}, drain_timeout="0.1s")
    lab.capture("client", "c")
    http_clients(lab, 4.1)


@scenario("https-nginx", "nginx with TLS, keepalive_timeout 4s: close_notify before the FIN")
def tls(lab):
    direct(lab)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", lab.home / "key", "-out", lab.home / "certificate", "-days", "9",
                    "-subj", "/CN=lab"], check=True, capture_output=True, timeout=60)
    servers.nginx(lab, "s", f"""
  keepalive_timeout 4s;
  server {{ listen 443 ssl; ssl_certificate {lab.home}/certificate; ssl_certificate_key {lab.home}/key; location / {{ return 200 "hello\\n"; }} }}
""", port=443)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    lab.capture("client", "c")
    http_clients(lab, 4.0, port=443, tls=context)


@scenario("http-go", "Go's HTTP server with an IdleTimeout of 4 s and Go's client, which notices closes", limit=240)
def go(lab):
    direct(lab)
    subprocess.run(["go", "build", "-o", lab.home / "calls", servers.PROGRAMS / "calls.go"], check=True, capture_output=True, timeout=200,
                   env=dict(os.environ, GOFLAGS="-mod=mod", GO111MODULE="off"))
    lab.net.start("s", lab.home / "calls", "serve", ":80", 4)
    lab.net.wait_for_port("s", AT, 80)
    lab.capture("client", "c")
    lab.config["client_got"] = lab.net.run("c", lab.home / "calls", "call", f"http://{AT}/", 0, 2, 3, 5, 6).split()
    lab.timer(f"{AT}:80", "seen", "IdleTimeout 4 s")


@scenario("http-java", "nginx with a keepalive_timeout of 4 s and the JDK's HttpClient, which notices closes")
def java(lab):
    direct(lab)
    servers.nginx(lab, "s", "  keepalive_timeout 4s;\n  server { listen 80; location / { return 200 \"hello\\n\"; } }\n")
    lab.capture("client", "c")
    lab.config["client_got"] = lab.net.run("c", "java", servers.PROGRAMS / "Calls.java", f"http://{AT}/", 0, 2, 3, 5, 6).split()
    lab.timer(f"{AT}:80", "seen", "keepalive_timeout 4s")


@scenario("healthy-http", "a client that closes first, a long poll, a half close, a stream with pauses: nothing to report")
def healthy(lab):
    direct(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    both_ends(lab)

    def first():
        client = lab.client("c", AT, who="closes-first")
        for _ in range(3):
            client.request()
            client.idle_until(2.0)
        client.close()

    def poll():
        client = lab.client("c", AT, who="long-poll")
        client.request("GET", "/slow/5")
        client.request("GET", "/slow/3")
        client.close()

    def half():
        client = lab.client("c", AT, who="half-close")
        client.send(b"GET /slow/2.5 HTTP/1.1\r\nHost: s\r\n\r\n")
        client.socket.shutdown(1)
        client.receive(whole_response)
        client.close()

    def stream():
        client = lab.client("c", AT, who="drip")
        client.request("GET", "/drip/60000")
        client.idle_until(3.0)
        client.request()
        client.close()
    lab.together(first, poll, half, stream)
    lab.timer(f"{AT}:80", None, "the server never closes first")


# --- WebSocket

def frame(kind, body=b""):
    """A masked client frame with a mask of zeros."""
    return bytes([0x80 | kind, 0x80 | len(body), 0, 0, 0, 0]) + body


@scenario("websocket-haproxy-tunnel", "WebSocket through HAProxy with timeout tunnel 3s: one client pings, one falls silent and speaks too late")
def websocket(lab):
    proxied(lab)
    servers.python(lab, "s", "websocket", 80, port=80)
    servers.haproxy(lab, "p", """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 3s
frontend f
  bind :8080
  default_backend b
backend b
  server s 10.9.2.2:80
""")
    lab.capture("proxy", "p", "any")

    def connect(who):
        client = lab.client("c", "10.9.1.1", 8080, who=who)
        client.send(b"GET /chat HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    b"Sec-WebSocket-Version: 13\r\n\r\n")
        client.receive(lambda octets: octets.endswith(b"\r\n\r\n"))
        client.send(frame(1, b"hello"), "text")
        client.receive(lambda octets: len(octets) >= 7)
        return client

    def pings():
        client = connect("pings")
        for _ in range(6):
            time.sleep(1.5)
            client.send(frame(9), "ping")
            client.receive(lambda octets: len(octets) >= 2)
        client.send(frame(8, b"\x03\xe8"), "close")
        client.receive(lambda octets: len(octets) >= 4)
        lab.label(client.local, "none", "no", "kept alive by pings, closed in order")
        client.close()

    def silent(number, idle):
        client = connect(f"silent{number}")
        client.idle_until(idle)
        client.send(frame(1, b"are you there?"), "text")
        client.receive(lambda octets: len(octets) >= 16)
        lab.label(client.local, "stale_reuse", why=f"a message after {idle} s, the tunnel was closed after 3 s; the client got {client.error}")
        client.close()
    lab.together(pings, *(lambda n=n, i=i: silent(n, i) for n, i in enumerate((4.0, 5.5))))
    lab.expect("timeout-mismatch", server="10.9.1.1:8080", must="maybe", why="the tunnel's timer of 3 s against clients that speak after 4 s")


# --- HTTP/2

def frame2(kind, flags, stream, body=b""):
    """An HTTP/2 frame (RFC 9113, section 4.1)."""
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack("!I", stream) + body


def frames2(octets):
    """The complete frames at the start of some octets: (type, flags, stream)."""
    out = []
    while len(octets) >= 9 and len(octets) >= 9 + int.from_bytes(octets[:3], "big"):
        out.append((octets[3], octets[4], int.from_bytes(octets[5:9], "big")))
        octets = octets[9 + int.from_bytes(octets[:3], "big"):]
    return out


@scenario("http2-nginx", "nginx with cleartext HTTP/2 and keepalive_timeout 3s: GOAWAY, FIN; the next stream comes later")
def http2(lab):
    direct(lab)
    servers.nginx(lab, "s", "  keepalive_timeout 3s;\n  server { listen 80 http2; location / { return 200 \"hello\\n\"; } }\n")
    lab.capture("client", "c")

    def get(client, stream):
        head = b"\x82\x86\x84\x41\x03lab"  # GET, http, /, :authority lab (RFC 7541, appendix A)
        sent = client.send(frame2(1, 5, stream, head), f"HEADERS {stream}")
        return client.receive(lambda octets: any(s == stream and f & 1 for _, f, s in frames2(octets))) if sent else None

    def connect(who):
        client = lab.client("c", AT, who=who)
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame2(4, 0, 0) + frame2(4, 1, 0), "preface")
        get(client, 1)
        return client

    def one(number, idle):
        client = connect(f"blind{number}")
        blind(lab, client, lambda c: get(c, 3), idle, 3.0, accept=["swallowed-request"])  # nginx lingers here: what comes is reset or swallowed
        client.close()

    def watchful():
        client = connect("watchful")
        client.attend(5)
        lab.label(client.local, "idle_close", "no", "the client noticed the close")
    lab.together(*(lambda n=n, i=i: one(n, i) for n, i in enumerate((1.5, 3.9, 5.0, 6.0))), watchful)
    lab.timer(f"{AT}:80", 3.0, "keepalive_timeout 3s; GOAWAY comes before the FIN")
    lab.expect("timeout-mismatch", server=f"{AT}:80", client="10.9.0.1", why="the client keeps connections for longer than the server does")


# --- databases and queues

@scenario("postgresql-idle-session", "PostgreSQL idle_session_timeout 3 s: FATAL 57P05, FIN; the pool's next query comes later")
def postgresql(lab):
    direct(lab)
    start_postgresql(lab, "idle_session_timeout=3s")
    both_ends(lab)

    def one(number, idle):
        client = pg_connect(lab, f"pool{number}")
        pg_query(client)
        blind(lab, client, pg_query, idle, 3.0)
        if idle < 3:
            client.send(b"X\x00\x00\x00\x04", "Terminate")
        client.close()

    def slow():
        client = pg_connect(lab, "slow")
        pg_query(client, "SELECT pg_sleep(4)")
        client.send(b"X\x00\x00\x00\x04", "Terminate")
        client.close()

    def watchful(number):
        client = pg_connect(lab, f"watchful{number}")
        pg_query(client)
        client.attend(4.5)
        lab.label(client.local, "idle_close", "no", "the client read the FATAL and closed")
    lab.together(*(lambda n=n, i=i: one(n, i) for n, i in enumerate((1.5, 3.8, 5.0, 6.5))), slow, *(lambda n=n: watchful(n) for n in range(2)))
    lab.timer(f"{AT}:5432", 3.0, "idle_session_timeout 3s")
    lab.expect("timeout-mismatch", server=f"{AT}:5432", client="10.9.0.1", why="the pool keeps connections for longer than the server does")


@scenario("postgresql-idle-in-transaction", "PostgreSQL idle_in_transaction_session_timeout 2 s: the transaction's next statement comes after 3 s")
def in_transaction(lab):
    direct(lab)
    start_postgresql(lab, "idle_in_transaction_session_timeout=2s")
    lab.capture("client", "c")

    def one(number, idle):
        client = pg_connect(lab, f"transaction{number}")
        pg_query(client, "BEGIN")
        blind(lab, client, pg_query, idle, 2.0)
        client.close()

    def outside():
        client = pg_connect(lab, "outside")
        pg_query(client)
        client.idle_until(5)
        pg_query(client)
        client.send(b"X\x00\x00\x00\x04", "Terminate")
        client.close()
    lab.together(*(lambda n=n, i=i: one(n, i) for n, i in enumerate((1.2, 2.8, 3.5, 4.5))), outside)
    lab.expect("timeout-mismatch", server=f"{AT}:5432", must="maybe", why="transactions are closed after 2 s, other connections are not")


def start_postgresql(lab, setting):
    home = lab.home / "pg"
    home.mkdir()
    shutil.chown(home, "postgres")
    binaries = "/usr/lib/postgresql/" + max(os.listdir("/usr/lib/postgresql"), key=int) + "/bin"
    subprocess.run(["runuser", "-u", "postgres", "--", f"{binaries}/initdb", "-D", home / "data", "-A", "trust", "-N"], check=True, capture_output=True, timeout=60)
    with (home / "data/pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.9.0.0/16 trust\n")
    lab.net.start("s", "runuser", "-u", "postgres", "--", f"{binaries}/postgres", "-D", home / "data", "-h", AT, "-k", home, "-c", setting, "-c", "fsync=off",
                  stderr=(home / "log").open("wb"))
    lab.net.wait_for_port("s", AT, 5432)
    time.sleep(1.0)


def pg_connect(lab, who):
    client = lab.client("c", AT, 5432, who=who)
    words = b"user\0postgres\0database\0postgres\0\0"
    client.send(struct.pack("!II", 8 + len(words), 196608) + words, "StartupMessage")
    client.receive(lambda octets: octets.endswith(b"Z\x00\x00\x00\x05I"))
    return client


def pg_query(client, text="SELECT 1"):
    body = text.encode() + b"\0"
    if not client.send(b"Q" + struct.pack("!I", 4 + len(body)) + body, text):
        return None
    return client.receive(lambda octets: b"Z\x00\x00\x00\x05" in octets)


@scenario("mariadb-wait-timeout", "MariaDB wait_timeout 3: the server resets, and the kernel of the pool refuses its next query", limit=120)
def mariadb(lab):
    direct(lab)
    home = lab.home / "db"
    home.mkdir()
    shutil.chown(home, "mysql")
    subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={home}/data", "--user=mysql", "--skip-test-db"], check=True, capture_output=True, timeout=90)
    lab.net.start("s", "mariadbd", "--no-defaults", f"--datadir={home}/data", "--user=mysql", f"--socket={home}/socket", f"--pid-file={home}/pid", f"--bind-address={AT}",
                  "--skip-grant-tables", "--skip-networking=0", "--skip-name-resolve", "--wait-timeout=3", stderr=(lab.home / "mariadb.log").open("wb"))
    lab.net.wait_for_port("s", AT, 3306)
    both_ends(lab)

    def connect(who):
        client = lab.client("c", AT, 3306, who=who)
        client.receive(lambda octets: len(octets) > 4 and len(octets) >= 4 + int.from_bytes(octets[:3], "little"))
        body = struct.pack("<IIB23x", 0x000A8205, 1 << 24, 33) + b"root\0\0mysql_native_password\0"
        client.send(len(body).to_bytes(3, "little") + b"\x01" + body, "HandshakeResponse")
        client.receive(lambda octets: len(octets) >= 11)
        return client

    def query(client):
        body = b"\x03SELECT 1"
        return client.receive(lambda octets: len(octets) >= 50) if client.send(len(body).to_bytes(3, "little") + b"\0" + body, "SELECT 1") else None

    def one(number, idle):
        client = connect(f"pool{number}")
        query(client)
        blind(lab, client, query, idle, 3.0)
        if idle < 3:
            client.send(b"\x01\0\0\0\x01", "COM_QUIT")
        client.close()

    def watchful():
        client = connect("watchful")
        query(client)
        client.attend(4.5)
        lab.label(client.local, "idle_close", "no", "the client noticed the close")
    lab.together(*(lambda n=n, i=i: one(n, i) for n, i in enumerate((1.5, 3.8, 5.0, 6.5))), watchful)
    lab.timer(f"{AT}:3306", "seen", "wait_timeout 3")
    lab.expect("timeout-mismatch", server=f"{AT}:3306", client="10.9.0.1", why="the pool keeps connections for longer than the server does")


@scenario("redis-timeout", "Redis timeout 3: the pool's next command comes later")
def redis(lab):
    direct(lab)
    lab.net.start("s", "redis-server", "--bind", AT, "--protected-mode", "no", "--timeout", "3", "--save", "", "--dir", lab.home)
    lab.net.wait_for_port("s", AT, 6379)
    both_ends(lab)

    def get(client):
        sent = client.send(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "GET a")
        return client.receive(lambda octets: octets.endswith(b"\r\n")) if sent else None

    def one(number, idle):
        client = lab.client("c", AT, 6379, who=f"pool{number}")
        get(client)
        blind(lab, client, get, idle, 3.0)
        if idle < 3:
            client.send(b"*1\r\n$4\r\nQUIT\r\n", "QUIT")
            client.receive(lambda octets: octets.endswith(b"\r\n"))
        client.close()

    def blocked():
        client = lab.client("c", AT, 6379, who="blpop")
        client.send(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n$1\r\n5\r\n", "BLPOP q 5")
        client.receive(lambda octets: octets.endswith(b"\r\n"))
        lab.label(client.local, "none", "no", "a blocking command, answered after 5 s")
        client.close()

    def watchful():
        client = lab.client("c", AT, 6379, who="watchful")
        get(client)
        client.attend(6)
        lab.label(client.local, "idle_close", "no", "the client noticed the close")
    lab.together(*(lambda n=n, i=i: one(n, i) for n, i in enumerate((1.5, 5.0, 6.0, 7.5))), blocked, watchful)
    lab.timer(f"{AT}:6379", "seen", "timeout 3, looked at by its cron")
    lab.expect("timeout-mismatch", server=f"{AT}:6379", client="10.9.0.1", why="the pool keeps connections for longer than the server does")


@scenario("rabbitmq-heartbeat", "RabbitMQ with a heartbeat of 2 s: a client that blocks sends none and is reset; its kernel refuses the next publish", limit=150)
def rabbitmq(lab):
    direct(lab)
    home = lab.home / "mq"
    home.mkdir()
    (home / "rabbitmq.conf").write_text(f"listeners.tcp.1 = {AT}:5672\nloopback_users = none\n")
    environment = dict(os.environ, HOME=str(home), RABBITMQ_NODENAME="lab@localhost", RABBITMQ_MNESIA_BASE=str(home), RABBITMQ_LOG_BASE=str(home),
                       RABBITMQ_CONFIG_FILE=str(home / "rabbitmq.conf"), RABBITMQ_ENABLED_PLUGINS_FILE=str(home / "plugins"), RABBITMQ_CONF_ENV_FILE="/dev/null",
                       RABBITMQ_PID_FILE=str(home / "pid"))
    lab.net.start("s", "/usr/lib/rabbitmq/bin/rabbitmq-server", env=environment, stdout=(lab.home / "rabbit.log").open("wb"), stderr=subprocess.STDOUT)
    lab.net.wait_for_port("s", AT, 5672, timeout=90)
    time.sleep(1)
    both_ends(lab)

    def method(channel, kind, body=b""):
        payload = struct.pack("!HH", *kind) + body
        return struct.pack("!BHI", 1, channel, len(payload)) + payload + b"\xce"

    beat = b"\x08\x00\x00\x00\x00\x00\x00\xce"

    def connect(who):
        client = lab.client("c", AT, 5672, who=who)
        ends = lambda octets: len(octets) > 8 and octets.endswith(b"\xce")  # noqa: E731
        client.send(b"AMQP\x00\x00\x09\x01", "header")
        client.receive(ends)
        words = b"\0guest\0guest"
        client.send(method(0, (10, 11), struct.pack("!I", 0) + b"\x05PLAIN" + struct.pack("!I", len(words)) + words + b"\x05en_US"), "Start-Ok")
        client.receive(ends)
        client.send(method(0, (10, 31), struct.pack("!HIH", 100, 131072, 2)) + method(0, (10, 40), b"\x01/\0\0"), "Tune-Ok, Open")
        client.receive(ends)
        client.send(method(1, (20, 10), b"\0"), "Channel.Open")
        client.receive(ends)
        return client

    publish = method(1, (60, 40), b"\0\0\0\x01q\0") + struct.pack("!BHIHHQH", 2, 1, 14, 60, 0, 5, 0) + b"\xce" + struct.pack("!BHI", 3, 1, 5) + b"hello\xce"

    def blocks(number, idle):
        client = connect(f"blocks{number}")
        client.send(publish, "publish")
        time.sleep(idle)
        client.send(publish, "publish")
        client.receive(lambda octets: False)
        label_late(lab, client, f"published again after {idle} s without a heartbeat")
        client.close()

    def beats():
        client = connect("beats")
        for _ in range(10):
            client.send(beat, "heartbeat")
            time.sleep(1)
        client.send(publish, "publish")
        client.send(method(0, (10, 50), struct.pack("!HBHH", 200, 0, 0, 0)), "Connection.Close")
        client.receive(lambda octets: b"\x00\x0a\x00\x33" in octets)
        lab.label(client.local, "none", "no", "sends its heartbeats, closes in order")
        client.close()
    lab.together(beats, *(lambda n=n, i=i: blocks(n, i) for n, i in enumerate((9.0, 11.0))))
