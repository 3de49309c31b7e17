/** Scripts to be damaged: together they have every word of the language. */

const ALL = `// comment
/* another */
--tolerance_usecs=5000 --mss=1000
-D WIN=257
\`sysctl -q net.ipv4.tcp_ecn=1\`
0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0   bind(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("192.168.0.1")}, 16) = 0
+.1...0.2 accept(3, ..., ...) = -1 EAGAIN (Resource temporarily unavailable)
* > [ect0, ttl 5] SW. 0:0(0) ack 1 win 5 urg 3 <mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7>
+.1  < (tos 0x10) 1234 > 80 P.5 1:1001(1000) ack 1 win WIN <nop,nop,sack 1:2 3:4,eol>
1.5  > . 1:1(0) ack 1 <FO 01020304,FOEXP,md5 00112233445566778899aabbccddeeff>
+0   > . 1:1(0) ack 1 <ECN e0b 1 ceb 2 e1b 3,nop>
+0   > - 1:1(0) <...>
`;

const MORE = `0 udp() = 0
0 < udp (100)
+0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]
+0 > icmp time_exceeded [udp (5)]
+0 < [1:1001(1000)] icmp unreachable pkt_filtered
+0 open("/tmp/x", O_RDONLY) = 5
+0 sendfile(4, 5, [0], 10) = 10
+0 write(4, NULL, 10) = -1 EFAULT
+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 10}], msg_control=[{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=1}}]}, MSG_ERRQUEUE|MSG_TRUNC) = 0
+0 write(3, "a\\x41" "b"..., 10) = 10
+0 poll([{fd=4, events=POLLIN, revents=0}], 1, 0) = 0
+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, -1) = 1
+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0
+0 %{
assert (tcpi_rto >> 2, 'x') == (1, "y") and not 5 in [1, 2] or 1 < 2 <= 3, "m %d" % 5
if x == 1:
    y = -2 ** 3 // 4 if True else ~5
else:
    y += max(1, 2)
}%
\`echo\`
`;

export const HOSTILE_SCRIPTS: readonly Uint8Array[] = [
  ALL,
  MORE,
  MORE.slice(MORE.indexOf('\n') + 1),
].map((s) => Uint8Array.from(Buffer.from(s)));

/** Code between `%{` and `}%`. */
export const HOSTILE_CODE: readonly Uint8Array[] = [
  `import os, sys
for i, x in enumerate(range(2, 9, 3)):
    if x == 5: continue
    print("%03d %s" % (i, x), f"{x} {{}}")
while True:
    break
a = [1, "b", (2, 3)][1:]
assert sorted([3, 1])[0] == 1 and "a,b".split(",")[-1] in ("b",), "{} {0:d}".format(1)
y = -2 ** 3 // 4 % 5 if not a else ~5 << 2
y += max(1, tcpi_rto) * 2
print y, abs(-1) + int("7") + round(2.5)
`,
].map((s) => Uint8Array.from(Buffer.from(s)));

/** Lines of a shell. */
export const HOSTILE_COMMANDS: readonly Uint8Array[] = [
  `A=1 B="$A x"; for i in 1 2 "$B"; do echo $i | grep -c '1' >> /tmp/x || break; done
if [ -e /tmp/x -a $((1 + 2 * (3 - 1))) -eq 5 ]; then (exit 3) else { true; } fi 2>&1
while false; do :; done; x=$(echo \${A:-none} \${B%x*} | cut -d' ' -f1,2- | tr a-c X); test ! "$x" = 1 && ! false
sed 's/a(b)/\\1&/g' < /dev/null; awk '/x/ {print $2, $NF}'; printf '%s\\n' a b; expr 1 + 2; seq 1 3 9
`,
].map((s) => Uint8Array.from(Buffer.from(s)));
