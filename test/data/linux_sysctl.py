"""
What every sysctl of a new network namespace says and takes: python3 linux_sysctl.py > linux-sysctl.json, as root.
Each file of /proc/sys/net is written with each probe; what came of it is kept by kind, that is by equal outcomes.
"""
import ctypes
import errno
import json
import os
import platform

NEWNET = 0x40000000
PROBES = [
    "", " ", "abc", "-1", "0", "1", "2", "3", "4", "5", "10", "100", "255", "256", "1000", "1001", "65535", "65536",
    "86401", "120001", "2147483647", "2147483648", "4294967295", "4294967296", "-2147483648", "-2147483649", "0x10",
    "010", "+3", " 3 ", "3\n", "3x", "1 2", "1 2 3", "1 2 3 4", "5 4 3", "1,2", "7-9", "1\n2", "-0", "1\t",
]
SKIP = ("netfilter", "mptcp", "xfrm", "/bridge/", "flush", "stable_secret", "ioam6", "/lo/", "/d1/")


def read(path):
    try:
        with open(path) as f:
            return f.read().rstrip("\n")
    except OSError as e:
        return errno.errorcode[e.errno]


def write(path, text):
    try:
        fd = os.open(path, os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
        return 0
    except OSError as e:
        return errno.errorcode[e.errno]


def outcome(path, probe, base):
    result = write(path, probe)
    after = read(path)
    if after != base:
        write(path, base)
    return result if result != 0 else [after] if probe.strip() != "" else 0


def main():
    if ctypes.CDLL(None, use_errno=True).unshare(NEWNET) != 0:
        raise SystemExit("cannot make a namespace")
    os.system("ip link set lo up; ip link add d0 type veth peer name d1")
    kinds, names = {}, {}
    # Writing one may change another.
    first = {
        os.path.join(folder, name): read(os.path.join(folder, name))
        for folder, _, files in os.walk("/proc/sys/net")
        for name in files
    }
    for folder, _, files in sorted(os.walk("/proc/sys/net")):
        for name in sorted(files):
            path = os.path.join(folder, name)
            if any(word in path for word in SKIP):
                continue
            base = read(path)
            mode = os.stat(path).st_mode & 0o777
            key = path[len("/proc/sys/"):].replace("/", ".")
            names[key] = {"default": first[path], "mode": oct(mode)[2:]}
            if mode & 0o200:
                kind = json.dumps([outcome(path, probe, base) for probe in PROBES])
                names[key]["kind"] = kinds.setdefault(kind, len(kinds))
    print(json.dumps({
        "kernel": platform.release(),
        "probes": PROBES,
        "kinds": [json.loads(k) for k in kinds],
        "names": names,
    }, indent=None, separators=(",", ":")).replace('},"', '},\n"').replace("],[", "],\n["))


main()
