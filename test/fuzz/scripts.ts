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
