"""What libpcap, tcpdump's own library, says of filters: JSON in, JSON out.

In: {"frames": [hex], "filters": [text], "optimize": 0 or 1}. Out: for each filter the numbers of the frames that
pass, or the complaint.
"""

import ctypes
import json
import sys

pcap = ctypes.CDLL("libpcap.so.0.8")


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint), ("code", ctypes.c_void_p)]


class Header(ctypes.Structure):
    _fields_ = [
        ("seconds", ctypes.c_long),
        ("micros", ctypes.c_long),
        ("captured", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
    ]


pcap.pcap_open_dead.restype = ctypes.c_void_p
pcap.pcap_geterr.restype = ctypes.c_char_p
pcap.pcap_geterr.argtypes = [ctypes.c_void_p]
pcap.pcap_compile.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(Program),
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_uint32,
]
pcap.pcap_offline_filter.argtypes = [
    ctypes.POINTER(Program),
    ctypes.POINTER(Header),
    ctypes.c_char_p,
]
pcap.pcap_freecode.argtypes = [ctypes.POINTER(Program)]

ETHERNET = 1
job = json.load(sys.stdin)
frames = [bytes.fromhex(text) for text in job["frames"]]
handle = pcap.pcap_open_dead(ETHERNET, 262144)


def chosen(text):
    program = Program()
    if pcap.pcap_compile(handle, program, text.encode(), job["optimize"], 0) != 0:
        complaint = pcap.pcap_geterr(handle).decode()
        # What its optimizer finds out is no mistake.
        return [] if complaint == "expression rejects all packets" else complaint
    found = []
    for number, frame in enumerate(frames):
        header = Header(0, 0, len(frame), len(frame))
        if pcap.pcap_offline_filter(program, header, frame) != 0:
            found.append(number)
    pcap.pcap_freecode(program)
    return found


json.dump([chosen(text) for text in job["filters"]], sys.stdout)
