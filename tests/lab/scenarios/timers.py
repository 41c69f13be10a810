"""A proxy that keeps connections longer than its server does, with timers of 5, 7.3 and 15 s; and the same after one directive was changed.

Two servers (nginx): one with the timer under test, one that keeps connections for long, so that the proxy's own timer shows there. The proxy is HAProxy,
nginx or Envoy, 40 ms away. Requests are aimed at the server's timer, so that some cross its FIN. POSTs fail visibly, because none of them repeats one.
The fix is one directive, at the server (it lets go last) or at the proxy (it lets go first).
"""
import os
import time

from rig import servers
from rig.lab import pooled_leg
from scenarios import scenario

ONE_WAY = 0.04
POOL_S = 20
RAISED_S = {"nginx": 21, "envoy": 22, "haproxy": 75}  # HAProxy 2.6 keeps as many idle connections as it lately needed, for as long as it likes
AIMS = (-0.30, -0.066, -0.052, -0.038, -0.024, -0.012, 0.2)  # seconds from the timer to the second request, as the proxy sees it
TESTED, PATIENT, PROXY = "10.9.2.2:80", "10.9.2.3:80", "10.9.2.1"


def topology(lab):
    lab.net.add("c", "p", "s")
    lab.net.link("c", "eth0", "10.9.1.2/24", "p", "front0", "10.9.1.1/24")
    lab.net.link("p", "back0", "10.9.2.1/24", "s", "eth0", "10.9.2.2/24", delay=ONE_WAY)
    lab.net.run("s", "ip", "address", "add", "10.9.2.3/24", "dev", "eth0")


def origins(lab, seconds):
    place = "location / { return 200 \"hello\\n\"; }"
    return servers.nginx(lab, "s", f"""
  server {{ listen 10.9.2.2:80; keepalive_timeout {round(seconds * 1000)}ms; {place} }}
  server {{ listen 10.9.2.3:80; keepalive_timeout 75s; {place} }}
""", name="origin")


def nginx_proxy(lab, pool_seconds):
    upstream = f"keepalive 16; keepalive_timeout {pool_seconds}s;"
    leg = "proxy_http_version 1.1; proxy_set_header Connection \"\";"
    servers.nginx(lab, "p", f"""
  keepalive_timeout 120s;
  upstream tested {{ server 10.9.2.2:80; {upstream} }}
  upstream patient {{ server 10.9.2.3:80; {upstream} }}
  server {{ listen 8080; location / {{ proxy_pass http://tested; {leg} }} location /patient {{ proxy_pass http://patient; {leg} }} }}
""", name="proxy", port=8080)


def haproxy_proxy(lab, pool_seconds):
    pool = f"pool-purge-delay {pool_seconds}s pool-max-conn 32" if pool_seconds else "pool-max-conn 0"
    servers.haproxy(lab, "p", f"""
global
  log stdout format raw local0
defaults
  mode http
  log global
  log-format "%ci:%cp %ST %ts %rc %bi:%bp"
  timeout connect 5s
  timeout client 120s
  timeout http-keep-alive 120s
  timeout server 30s
  http-reuse always
frontend f
  bind :8080
  use_backend patient if {{ path_beg /patient }}
  default_backend tested
backend tested
  server s 10.9.2.2:80 {pool}
backend patient
  server s 10.9.2.3:80 {pool}
""")


def envoy_proxy(lab, pool_seconds):
    routes = [{"match": {"prefix": "/patient"}, "route": {"cluster": "patient"}}, {"match": {"prefix": "/"}, "route": {"cluster": "tested"}}]
    clusters = [servers.envoy_cluster("tested", "10.9.2.2", 80, pool_seconds), servers.envoy_cluster("patient", "10.9.2.3", 80, pool_seconds)]
    servers.envoy(lab, "p", routes, clusters, common_http_protocol_options={"idle_timeout": "120s"})


def pool_run(lab, seconds, proxy, pool_seconds, server_seconds):
    """Warms connections, lets them idle to just about `seconds`, and uses them again; then waits for the proxy's own timer."""
    topology(lab)
    served = origins(lab, server_seconds)
    {"nginx": nginx_proxy, "haproxy": haproxy_proxy, "envoy": envoy_proxy}[proxy](lab, pool_seconds)
    lab.config = {"server": f"nginx keepalive_timeout {server_seconds}s", "proxy": f"{proxy}, idle pool {pool_seconds}s", "link_back": "40 ms one way",
                  "aimed_at_s": seconds}
    lab.capture("proxy", "p", "any")
    answers = []

    def one(number, aim):
        client = lab.client("c", "10.9.1.1", 8080, who=f"caller{aim:+.3f}")
        first = client.request("POST", f"/warm/{number}", b"x=1")
        client.idle_until(seconds + aim)
        second = client.request("POST", f"/again/{number}", b"x=2")
        if second == "EOFError":
            lab.label(client.local, "closed_without_response", "yes", "the caller's log shows the end of file before a response; the upstream request was lost")
        answers.append((aim, first, second))
        client.close()

    def patient(number):
        client = lab.client("c", "10.9.1.1", 8080, who=f"patient{number}")
        client.request("POST", f"/patient/{number}", b"x=1")
        client.close()
    began = time.monotonic()
    lab.together(*(lambda n=n, aim=aim: one(n, aim) for n, aim in enumerate(AIMS)), *(lambda n=n: patient(n) for n in range(4)))
    time.sleep(max(0.0, began + pool_seconds + 1.5 - time.monotonic()))
    lab.rule(TESTED, pooled_leg)
    lab.rule(PATIENT, pooled_leg)
    lab.config["callers_got"] = [f"{aim:+.3f} s: {first}, {second}" for aim, first, second in sorted(answers)]
    lost = len(AIMS) - (served / "access.log").read_text().count("POST /again")
    bad = sum("200" not in second for *_, second in answers)
    lab.notes.append(f"callers saw {bad} failed requests; {lost} never reached the server's own log")
    return bad, lost


def mismatch(lab, seconds, proxy, pool_seconds=POOL_S):
    bad, lost = pool_run(lab, seconds, proxy, pool_seconds, seconds)
    lab.timer(TESTED, seconds)
    lab.expect("timeout-mismatch", server=TESTED, client=PROXY, why=f"the proxy keeps connections for {pool_seconds} s or more, the server for {seconds} s",
               server_timeout_s=seconds)
    lab.expect("timeout-mismatch", server=PATIENT, client=PROXY, must="no", why=f"the proxy keeps connections for {POOL_S} s, this server for 75 s")
    if bad < 2 or lost != bad:
        lab.unsure.append(f"{bad} requests failed, {lost} were lost: the aim missed; record again")


def healed(lab, seconds, proxy, pool_seconds, server_seconds):
    """The same with another directive; `experiment` sets the value that a report advised."""
    if server_seconds != seconds and "LAB_SERVER_S" in os.environ:
        server_seconds = int(os.environ["LAB_SERVER_S"])
        lab.title = f"nginx keepalive_timeout {seconds} s behind a {proxy} pool of {pool_seconds} s, raised to the advised {server_seconds} s"
    elif server_seconds == seconds and pool_seconds and "LAB_POOL_S" in os.environ:
        pool_seconds = int(os.environ["LAB_POOL_S"])
        lab.title = f"nginx keepalive_timeout {seconds} s behind a {proxy} pool, lowered to the advised {pool_seconds} s"
    bad, lost = pool_run(lab, seconds, proxy, pool_seconds, server_seconds)
    lab.expect("timeout-mismatch", must="no", why="whoever reuses lets go first")
    if bad or lost:
        lab.unsure.append(f"{bad} requests failed, {lost} were lost, though the timers are in order")


def register():
    for proxy in ("haproxy", "nginx", "envoy"):
        for seconds in (5, 7.3, 15) if proxy != "envoy" else (7.3,):
            stem = f"timers-{proxy}-nginx-{str(seconds).replace('.', '_')}s"
            scenario(stem, f"nginx keepalive_timeout {seconds} s behind a {proxy} pool of {POOL_S} s")(
                lambda lab, s=seconds, p=proxy: mismatch(lab, s, p))
            scenario(stem + "-server-raised", f"the same, the server's keepalive_timeout raised to {RAISED_S[proxy]} s")(
                lambda lab, s=seconds, p=proxy: healed(lab, s, p, POOL_S, RAISED_S[p]))
            if proxy == "haproxy":
                scenario(stem + "-no-pool", "the same, but HAProxy keeps no idle server connections (pool-max-conn 0)")(
                    lambda lab, s=seconds: healed(lab, s, "haproxy", 0, s))
                quarter = max(1, int(seconds / 4))
                scenario(stem + "-purge-quarter", f"the same, HAProxy's pool-purge-delay lowered to {quarter} s: idle connections are gone within four rounds")(
                    lambda lab, s=seconds, low=quarter: healed(lab, s, "haproxy", low, s))
            if proxy == "nginx":
                lower = max(1, int(seconds) - 1)
                scenario(stem + "-proxy-lowered", f"the same, the proxy's upstream keepalive_timeout lowered to {lower} s")(
                    lambda lab, s=seconds, p=proxy, low=lower: healed(lab, s, p, low, s))


@scenario("timers-haproxy-nginx-7_3s-purge-6s", "nginx keepalive_timeout 7.3 s, HAProxy's pool-purge-delay 6 s: no cure, the delay is no timer of a connection")
def purge_is_no_timer(lab):
    mismatch(lab, 7.3, "haproxy", 6)


register()
