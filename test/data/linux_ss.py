"""Records what ss chooses by each filter of linux-ss-filters.json, among sockets of a namespace of its own:

unshare -n python3 test/data/linux_ss.py
"""

import json
import socket
import subprocess

FILE = "test/data/linux-ss-filters.json"
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
kept = []


def listen(port, address):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(5)
    kept.append(s)
    return s


web = listen(80, "127.0.0.1")
ssh = listen(22, "0.0.0.0")
alt = listen(8080, "127.0.0.1")
clients = []
for server, port, own in ((web, 80, 40001), (web, 80, 40002), (ssh, 22, 40003), (alt, 8080, 40004)):
    client = socket.socket()
    client.bind(("127.0.0.1", own))
    client.connect(("127.0.0.1", port))
    clients.append(client)
    kept.append(server.accept()[0])
name = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
name.bind(("127.0.0.1", 53))
clients[0].close()

facts = json.load(open(FILE))
filters = []
for text, _ in facts["filters"]:
    run = subprocess.run("ss -Htuan " + text, shell=True, capture_output=True, text=True)
    rows = sorted(" ".join([t for t in x.split() if ":" in t][-2:]) for x in run.stdout.splitlines())
    filters.append([text, rows if run.returncode == 0 else None])
version = subprocess.run(["ss", "-V"], capture_output=True, text=True).stdout.strip()
with open(FILE, "w") as out:
    json.dump({"program": version, "filters": filters}, out, indent=1)
    out.write("\n")
