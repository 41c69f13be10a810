"""What happens on the way: tables that expire, routes that move, connects that fail, keepalive that comes too late."""
import socket
import time

from rig import servers
from scenarios import scenario
from scenarios.closes import direct, hello, kill

SERVER = "10.9.0.2:80"
FAR = "10.9.3.2:80"


def routed(lab, *routers):
    """c and s, each with a switch, and routers side by side between the two switches; c and s go by the first router."""
    lab.net.add("c", "s", "left", "right", *routers)
    for switch in ("left", "right"):
        lab.net.run(switch, "ip", "link", "add", "br0", "type", "bridge")
        lab.net.run(switch, "ip", "link", "set", "br0", "up")
    lab.net.link("c", "eth0", "10.9.1.2/24", "left", "c", None)
    lab.net.link("s", "eth0", "10.9.3.2/24", "right", "s", None)
    for number, router in enumerate(routers):
        lab.net.link(router, "in0", f"10.9.1.{101 + number}/24", "left", router, None)
        lab.net.link(router, "out0", f"10.9.3.{101 + number}/24", "right", router, None)
        lab.net.sysctl(router, "net.ipv4.ip_forward", 1)
    for switch, ports in (("left", ("c", *routers)), ("right", ("s", *routers))):
        for port in ports:
            lab.net.run(switch, "ip", "link", "set", port, "master", "br0")
    for space, own, far in (("c", "10.9.1", "10.9.3.0/24"), ("s", "10.9.3", "10.9.1.0/24")):
        lab.net.sysctl(space, "net.ipv4.conf.all.accept_redirects", 0)
        lab.net.sysctl(space, "net.ipv4.conf.all.rp_filter", 0)
        lab.net.run(space, "ip", "route", "add", far, "via", f"{own}.101")


def table(lab, router, seconds, answer):
    """A stateful firewall that forgets established flows after some seconds and then drops or resets what comes."""
    last = "drop" if answer == "drop" else "reject with tcp reset"
    lab.net.run(router, "nft", f"add table inet f; add chain inet f c {{ type filter hook forward priority 0; }}; "
                f"add rule inet f c ct state established,related accept; add rule inet f c tcp flags syn / syn,ack accept; "
                f"add rule inet f c meta l4proto tcp {last}")
    lab.net.sysctl(router, "net.netfilter.nf_conntrack_tcp_loose", 0)
    lab.net.sysctl(router, "net.netfilter.nf_conntrack_tcp_timeout_established", seconds)


@scenario("path-change-survived", "the route to one of two servers moves to another router while connections idle; both forward, nothing is lost")
def moved(lab):
    routed(lab, "r1", "r2")
    lab.net.run("s", "ip", "address", "add", "10.9.3.3/24", "dev", "eth0")
    hello(lab)
    lab.capture("client", "c")
    clients = [lab.client("c", "10.9.3.2", who=f"moves{n}") for n in range(3)]
    stays = lab.client("c", "10.9.3.3", who="stays")
    for client in (*clients, stays):
        client.request()
    time.sleep(2.5)
    lab.event("operator", "the route to 10.9.3.2 moves to the second router")
    lab.net.run("c", "ip", "route", "add", "10.9.3.2/32", "via", "10.9.1.102")
    for client in clients:
        status = client.request()
        lab.label(client.local, "path_change", why=f"another next hop after 2.5 s of silence; answered {status}")
    stays.request()
    lab.label(stays.local, "none", "no", "the same router throughout")
    for client in (*clients, stays):
        client.close()
    fresh = lab.client("c", "10.9.3.2", who="fresh")
    fresh.request()
    time.sleep(1.5)
    fresh.request()
    lab.label(fresh.local, "none", "no", "began on the second router and stayed there")
    fresh.close()


@scenario("path-change-failover", "everything moves to another router while connections idle, and nothing is lost: a router that takes over")
def failover(lab):
    routed(lab, "r1", "r2")
    hello(lab)
    lab.capture("client", "c")
    clients = [lab.client("c", "10.9.3.2", who=f"client{n}") for n in range(3)]
    for client in clients:
        client.request()
    time.sleep(2.5)
    lab.event("operator", "route moved to the second router")
    lab.net.run("c", "ip", "route", "replace", "10.9.3.0/24", "via", "10.9.1.102")
    for client in clients:
        client.request()
        lab.label(client.local, "none", "no", "every connection moves, the old hop is used by nothing any more and nothing is lost: a router took over")
        client.close()


@scenario("path-change-reset", "the route moves to a stateful router that does not know the connections: a foreign RST answers")
def moved_reset(lab):
    routed(lab, "r1", "r2")
    table(lab, "r2", 600, "reset")
    hello(lab)
    lab.capture("client", "c")
    clients = [lab.client("c", "10.9.3.2", who=f"client{n}") for n in range(3)]
    for client in clients:
        client.request()
    time.sleep(2.5)
    lab.event("operator", "route moved to the second router")
    lab.net.run("c", "ip", "route", "replace", "10.9.3.0/24", "via", "10.9.1.102")
    for client in clients:
        status = client.request("POST", "/late", b"x=1")
        lab.label(client.local, "forgotten_flow", why=f"the second router never saw the connection and reset it; the client got {status}", also=["path-change"])
        client.close()


@scenario("table-expired-reset", "a firewall forgets flows after 3 s and resets what comes then")
def expired_reset(lab):
    expired(lab, "reset")


@scenario("table-expired-drop", "a firewall forgets flows after 3 s and drops what comes then", limit=90)
def expired_drop(lab):
    expired(lab, "drop")


def expired(lab, answer):
    routed(lab, "r1")
    table(lab, "r1", 3, answer)
    hello(lab)
    lab.capture("client", "c")
    lab.net.sysctl("c", "net.ipv4.tcp_retries2", 4)

    def one(number, idle):
        client = lab.client("c", "10.9.3.2", who=f"client{number}", timeout=12)
        client.request()
        client.idle_until(idle)
        status = client.request("POST", "/late", b"x=1")
        if idle < 3:
            lab.label(client.local, "none", "no", "inside the table's 3 s")
        elif answer == "reset":
            lab.label(client.local, "forgotten_flow", why=f"the firewall had forgotten the flow after 3 s; the client got {status}")
        else:
            lab.label(client.local, "silent_drop", why=f"the firewall had forgotten the flow after 3 s; the client got {status}")
        client.close()
    lab.together(*(lambda n=n, s=s: one(n, s) for n, s in enumerate((1.5, 2.2, 4.5, 5.5, 7.0))))
    lab.timer(FAR, None, "the server never closes: the path's timer lies between 2.2 and 4.5 s")
    lab.expect("timeout-mismatch", server=FAR, must="maybe", why="a table of 3 s on the way, the client keeps connections for 4.5 s and more")


@scenario("keepalive-too-slow", "keepalive probes after 6 s against a firewall table of 3 s: they come too late")
def too_slow(lab):
    probing(lab, ((6, 11), (6, 10.5), (6, 12), (0, 2), (0, 4.2), (0, 5)))


@scenario("keepalive-mixed", "sockets with probes after 6 s (too late), after 2 s (in time) and without, against a firewall table of 3 s")
def mixed(lab):
    probing(lab, ((6, 11), (6, 10.5), (6, 12), (2, 9), (2, 7), (0, 2), (0, 4.2), (0, 5)))


def probing(lab, sockets):
    """Sockets by (seconds before the first probe, 0 for none; idle seconds before they are used again)."""
    routed(lab, "r1")
    table(lab, "r1", 3, "drop")
    hello(lab)
    lab.capture("client", "c")
    lab.net.sysctl("c", "net.ipv4.tcp_retries2", 4)

    def one(number, after, idle):
        options = ([(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, after),
                    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1 if after > 3 else 2), (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)] if after else [])
        client = lab.client("c", "10.9.3.2", who=f"client{number}-keepalive{after}", timeout=12, options=options)
        client.request()
        client.idle_until(idle)
        status = client.request("POST", "/late", b"x=1")
        if after == 6:
            lab.label(client.local, "keepalive_dead", why=f"probes after 6 s into a table of 3 s; the client got {status}", may=["keepalive-too-slow"])
        elif after == 2 or idle < 3:
            lab.label(client.local, "none", "no", f"inside the table's 3 s, or kept alive; {status}")
        else:
            lab.label(client.local, "silent_drop", why=f"the firewall had forgotten the flow; the client got {status}")
        client.close()
    lab.together(*(lambda n=n, a=a, s=s: one(n, a, s) for n, (a, s) in enumerate(sockets)))
    lab.expect("keepalive-too-slow", server=FAR, why="probes start after 6 s, the table on the way forgets after 3 s (survived 2 s, failed 4.2 s)")
    lab.expect("timeout-mismatch", server=FAR, must="maybe", why="a table of 3 s on the way, the client keeps connections for 4.2 s and more")
    lab.timer(FAR, None, "the server never closes")


@scenario("keepalive-in-time", "keepalive probes after 2 s against a firewall table of 3 s: connections idle for 9 s and live")
def in_time(lab):
    routed(lab, "r1")
    table(lab, "r1", 3, "drop")
    hello(lab)
    lab.capture("client", "c")

    def one(number, idle):
        options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2), (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)]
        client = lab.client("c", "10.9.3.2", who=f"client{number}", options=options)
        client.request()
        client.idle_until(idle)
        client.request()
        client.close()
    lab.together(*(lambda n=n, s=s: one(n, s) for n, s in enumerate((5, 7, 9))))
    lab.expect("keepalive-too-slow", server=FAR, must="no", why="the probes keep the flow alive")
    lab.timer(FAR, None, "the server never closes")


@scenario("connect-refused", "the server is down for a while: connects are refused, before and after they work")
def refused(lab):
    direct(lab)
    servers.python(lab, "s", "origin", 80, port=80)
    lab.capture("client", "c")
    once(lab, "before")
    kill(lab, "origin.py")
    for number in range(4):
        lab.client("c", "10.9.0.2", who=f"refused{number}").close()
        time.sleep(0.3)
    servers.python(lab, "s", "origin", 80, port=80, name="second")
    once(lab, "after")
    lab.expect("connect-failed", server=SERVER, client="10.9.0.1", why="4 connects refused while the server was down", count=4)


def once(lab, who):
    client = lab.client("c", "10.9.0.2", who=who)
    client.request()
    client.close()


@scenario("connect-unanswered", "a firewall drops SYNs for a while: connects are never answered, before and after they work")
def unanswered(lab):
    direct(lab)
    hello(lab)
    lab.capture("client", "c")
    once(lab, "before")
    lab.net.run("s", "nft", "add table inet f; add chain inet f c { type filter hook input priority 0; }; add rule inet f c tcp dport 80 drop")
    lab.together(*(lambda n=n: lab.client("c", "10.9.0.2", who=f"unanswered{n}", timeout=4).close() for n in range(3)))
    lab.net.run("s", "nft", "delete table inet f")
    once(lab, "after")
    lab.expect("connect-failed", server=SERVER, client="10.9.0.1", why="3 connects never answered", count=3)


@scenario("connect-near-miss-scan", "closed ports are tried, none of them ever worked")
def scan(lab):
    direct(lab)
    hello(lab)
    lab.capture("client", "c")
    once(lab, "works")
    for port in (22, 25, 443, 3306, 8080):
        lab.client("c", "10.9.0.2", port, who=f"scan{port}").close()
    lab.expect("connect-failed", must="no", why="no endpoint that is refused has established connections")


@scenario("connect-old-incarnation", "a client dies without a word and uses its port again: the server's old connection answers the SYN with an ACK")
def old_incarnation(lab):
    direct(lab)
    hello(lab)
    lab.capture("client", "c")
    lab.net.sysctl("c", "net.ipv4.tcp_syn_retries", 2)
    first = lab.client("c", "10.9.0.2", who="first", source=("10.9.0.1", 40000))
    first.request()
    lab.net.run("c", "nft", "add table inet f; add chain inet f c { type filter hook output priority 0; }; add rule inet f c tcp flags & rst == rst drop")
    first.reset()
    time.sleep(1.2)
    again = lab.client("c", "10.9.0.2", who="again", source=("10.9.0.1", 40000), timeout=6)
    again.close()
    lab.net.run("c", "nft", "delete table inet f")
    once(lab, "other port")
    lab.expect("connect-failed", server=SERVER, client="10.9.0.1", why="the SYN is answered by a challenge ACK of the old connection, again and again", count=1)


@scenario("path-change-near-miss-busy", "the route moves while requests flow every 0.2 s: a failover, no idle gap")
def busy_move(lab):
    routed(lab, "r1", "r2")
    hello(lab)
    lab.capture("client", "c")
    client = lab.client("c", "10.9.3.2")
    for number in range(12):
        client.request()
        time.sleep(0.2)
        if number == 6:
            lab.net.run("c", "ip", "route", "replace", "10.9.3.0/24", "via", "10.9.1.102")
    lab.label(client.local, "none", "no", "another next hop without a pause")
    client.close()


@scenario("path-near-miss-asymmetric", "requests by one router, responses by the other, all the time")
def asymmetric(lab):
    routed(lab, "r1", "r2")
    hello(lab)
    lab.net.run("s", "ip", "route", "replace", "10.9.1.0/24", "via", "10.9.3.102")
    lab.capture("client", "c")
    for number in range(3):
        client = lab.client("c", "10.9.3.2", who=f"client{number}")
        client.request()
        time.sleep(1.5)
        client.request()
        lab.label(client.local, "none", "no", "the same two paths before and after the idle gap")
        client.close()


@scenario("fragments-port-filter", "a router cuts large requests into fragments, and the capture's filter by port keeps the first ones alone: two come after the server's FIN")
def fragments(lab):
    routed(lab, "r1")
    lab.net.sysctl("c", "net.ipv4.ip_no_pmtu_disc", 1)  # no DF: the router may cut
    lab.net.run("r1", "ip", "route", "replace", "10.9.3.0/24", "dev", "out0", "mtu", "lock", "600")
    hello(lab, keep="2s")
    lab.capture("server", "s", only="tcp port 80", snap=1500)  # a cut fragment is read as if it were the whole
    body = b"y" * 1000
    clients = [lab.client("c", "10.9.3.2", who=f"late{n}") for n in range(2)]
    sound = lab.client("c", "10.9.3.2", who="sound")
    for _ in range(3):
        for client in (*clients, sound):
            client.request("POST", "/upload", body)
        time.sleep(0.3)
    sound.close()
    lab.label(sound.local, "none", "no", "requests in fragments, every one answered")
    for client in clients:
        client.idle_until(3.0)
        client.request("POST", f"/late/{client.who}", body)
        lab.label(client.local, "stale_reuse", why="a request in fragments, 1 s after the server's FIN")
        client.close()
    lab.expect("timeout-mismatch", server=FAR, client="10.9.1.2", why="keepalive_timeout 2s, a client that idles for 3 s")
