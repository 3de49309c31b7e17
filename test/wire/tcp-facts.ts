/** The facts about TCP, case by case as linux_wire.py makes them. */
import { errnoName } from '../../src/core/errno.ts';
import type { Socket } from '../../src/core/socket/socket.ts';
import { icmp, KERNEL, latin, PEER, quad, type TcpOptions, tcp } from './build.ts';
import { tcp6 } from './build6.ts';
import { type Base, describe, ports, seqOf } from './describe.ts';
import type { Section } from './ip-facts.ts';
import { lingerZero, type Seen, sockaddr, socketError, tcpState, WireWorld } from './wire-world.ts';

const MSS: readonly number[] = [2, 4, 5, 0xb4];
const FULL: readonly number[] = [...MSS, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

/** Our side of connections to the listener on port 3000. */
class Client {
  readonly w: WireWorld;
  readonly listener: Socket;
  private port = 20_000;

  private constructor(w: WireWorld, listener: Socket) {
    this.w = w;
    this.listener = listener;
  }

  static async make(w: WireWorld): Promise<Client> {
    const listener = await w.tcpSocket();
    listener.setsockopt(1, 2, 1);
    listener.bind(sockaddr('0.0.0.0', 3000));
    listener.listen(64);
    return new Client(w, listener);
  }

  nextPort(): number {
    return ++this.port;
  }

  segment(flags: string, sport: number, options: TcpOptions = {}): Uint8Array {
    return tcp(flags, { sport, dport: 3000, ...options });
  }

  /** What comes for one port of ours. */
  rx(seconds: number, port: number): Seen[] {
    return this.w.rx(seconds).filter((s) => ports(s.bytes)[2] === port);
  }

  /** A SYN is answered: the port, and the initial sequence number of the answer. */
  half(win = 8192): readonly [number, number] {
    const sport = this.nextPort();
    this.w.rx(0);
    this.w.write(this.segment('S', sport, { tcpOpts: MSS, win }));
    return [sport, firstSeq(this.rx(0.03, sport))];
  }

  /** A connection that the application accepted, with TCP_NODELAY. */
  established(): readonly [number, number, Socket] {
    const [sport, isn] = this.half();
    this.w.write(this.segment('A', sport, { seq: 1001, ack: isn + 1 }));
    this.w.rx(0.02);
    const socket = this.listener.accept();
    if (typeof socket === 'number') throw new Error(`accept: ${errnoName(socket)}`);
    socket.setsockopt(6, 1, 1);
    return [sport, isn, socket];
  }
}

function firstSeq(seen: readonly Seen[]): number {
  const [first] = seen;
  if (first === undefined) throw new Error('no answer');
  return seqOf(first.bytes);
}

function lines(seen: readonly Seen[], base?: Base): string[] {
  return seen.map((s) => describe(s.bytes, base));
}

/** A number of seconds with so many decimals. */
function round(seconds: number, decimals: number): number {
  return Number(seconds.toFixed(decimals));
}

function closedPort(w: WireWorld): void {
  const group = 'tcp-closed-port';
  for (const f of ['S', 'SA', 'A', 'F', '', 'FPU', 'R', 'RA', 'FA', 'SF']) {
    const ack = f.includes('A') ? 5000 : 0;
    w.probe(group, `[${f}] seq 1000 ack 5000`, tcp(f, { ack }));
  }
  w.probe(group, '[S] with 10 data bytes', tcp('S', { data: '0123456789' }));
  w.probe(group, '[A] with 10 data bytes ack 5000', tcp('A', { ack: 5000, data: '0123456789' }));
  w.probe(group, '[S] bad TCP checksum', tcp('S', { bad: true }));
  w.probe(group, '[S] dst port 0', tcp('S', { dport: 0 }));
  w.probe(group, '[S] src port 0', tcp('S', { sport: 0 }));
  w.probe(group, '[S] to subnet broadcast 10.7.0.255', tcp('S', { dst: '10.7.0.255' }));
  w.probe(group, '[S] to 224.0.0.1', tcp('S', { dst: '224.0.0.1' }));
  w.probe(group, '[S] IPv6', tcp6('S'));
}

async function listening(w: WireWorld): Promise<void> {
  const c = await Client.make(w);
  const probe = (title: string, flags: string, options: TcpOptions = {}): void => {
    const base: Base | undefined =
      flags.includes('S') && !flags.includes('A') ? [null, 1000] : undefined;
    w.probe('tcp-listen', title, c.segment(flags, c.nextPort(), options), base);
  };
  probe('[S] no options', 'S');
  probe('[S] mss,sackOK,TS,nop,wscale 7', 'S', { tcpOpts: FULL });
  probe('[S] mss only', 'S', { tcpOpts: MSS });
  probe('[S] mss,nop,nop,sackOK', 'S', { tcpOpts: [...MSS, 1, 1, 4, 2] });
  probe('[S] mss,nop,wscale 14', 'S', { tcpOpts: [...MSS, 1, 3, 3, 14] });
  probe('[S] wscale 15', 'S', { tcpOpts: [...MSS, 1, 3, 3, 15] });
  probe('[S] mss 0', 'S', { tcpOpts: [2, 4, 0, 0] });
  probe('[S] malformed option length 0', 'S', { tcpOpts: [2, 0, 5, 0xb4] });
  probe('[S] unknown option 99', 'S', { tcpOpts: [99, 4, 0, 0] });
  probe('[S] ECE+CWR (ECN setup), tcp_ecn=2', 'SEC', { tcpOpts: MSS });
  probe('[S] with 10 data bytes', 'S', { data: '0123456789' });
  for (const f of ['SF', 'SR', 'SPU', 'SFPU']) probe(`[${f}]`, f);
  for (const f of ['A', 'F', '', 'FPU', 'R', 'FA', 'SA'])
    probe(`[${f}] ack 5000`, f, { ack: f.includes('A') ? 5000 : 0 });
  probe('[S] bad checksum', 'S', { bad: true });
  probe('[S] source = own address 10.7.0.1', 'S', { src: KERNEL });
  const sources = [
    '127.0.0.1',
    '255.255.255.255',
    '224.0.0.1',
    '0.0.0.0',
    '10.7.0.255',
    '240.0.0.1',
  ];
  for (const src of sources) probe(`[S] source ${src}`, 'S', { src });
  probe('[S] source 10.99.0.1 (no route back)', 'S', { src: '10.99.0.1' });
}

async function synAckTimes(w: WireWorld): Promise<void> {
  const c = await Client.make(w);
  const sport = c.nextPort();
  const syn = c.segment('S', sport, { tcpOpts: MSS });
  const startedAt = w.clock.nowUs() / 1e6;
  w.probe('tcp-listen', 'SYN-ACK retransmit times over 8 s', syn, [null, 1000]);
  const times = c.rx(8, sport).map((s) => round(s.at - startedAt, 1));
  w.fact('tcp-listen', '  retransmissions at s', times);
}

/** What meets a half-open connection: title, segment. */
const SYN_RECV: readonly (readonly [string, string, (isn: number) => TcpOptions])[] = [
  ['same [S] again (retransmit)', 'S', () => ({ tcpOpts: MSS })],
  ['[S] other seq, in window', 'S', () => ({ seq: 2000, tcpOpts: MSS })],
  ['[S] other seq, out of window', 'S', () => ({ seq: 900_000, tcpOpts: MSS })],
  ['[A] wrong ack (ISN+9)', 'A', (isn) => ({ seq: 1001, ack: isn + 9 })],
  ['[R] out of window', 'R', () => ({ seq: 900_000 })],
  ['[R] exact', 'R', () => ({ seq: 1001 })],
  ['[R] in window not exact', 'R', () => ({ seq: 1100 })],
  ['[A] out of window seq, right ack', 'A', (isn) => ({ seq: 900_000, ack: isn + 1 })],
  ['[FA] right ack', 'FA', (isn) => ({ seq: 1001, ack: isn + 1 })],
  ['[PA] data with the handshake ACK', 'PA', (isn) => ({ seq: 1001, ack: isn + 1, data: 'hello' })],
  ['[] no flags', '', () => ({ seq: 1001 })],
  ['[SA] ', 'SA', (isn) => ({ seq: 1000, ack: isn + 1 })],
];

/** The second fact of a case has the same title each time: the case's own is put before it. */
export const STILL_ALIVE = '  then the right [A] + 5 bytes (is the request still alive?)';

const SYN_RECV_SECTIONS: readonly Section[] = SYN_RECV.map(
  ([title, flags, options]) =>
    async function synRecv(w: WireWorld): Promise<void> {
      const c = await Client.make(w);
      const [sport, isn] = c.half();
      const base: Base = [isn, 1000];
      w.probe('tcp-syn-recv', title, c.segment(flags, sport, options(isn)), base);
      const right = c.segment('PA', sport, { seq: 1001, ack: isn + 1, data: 'hello' });
      w.probe('tcp-syn-recv', title + STILL_ALIVE, right, base);
    },
);

/** What meets an established connection; `ack` relative to our initial sequence number. */
const ESTABLISHED: readonly (readonly [string, string, TcpOptions])[] = [
  ['[S] in window', 'S', {}],
  ['[S] out of window', 'S', { seq: 900_000 }],
  ['[SA] in window', 'SA', {}],
  ['[R] seq=RCV.NXT', 'R', {}],
  ['[R] in window, not RCV.NXT', 'R', { seq: 1101 }],
  ['[R] seq RCV.NXT-1', 'R', { seq: 1000 }],
  ['[R] out of window', 'R', { seq: 900_000 }],
  ['[RA] seq=RCV.NXT, ack beyond SND.NXT', 'RA', { ack: 500 }],
  ['[A] ack beyond SND.NXT', 'A', { ack: 500 }],
  ['[A] ack far below SND.UNA', 'A', { ack: -100_000 }],
  ['[A] ack 100 below SND.UNA', 'A', { ack: -99 }],
  ['data without ACK flag', 'P', { data: 'hello' }],
  ['[PA] 5 bytes in order', 'PA', { data: 'hello' }],
  ['[PA] 5 bytes, out of order +100', 'PA', { seq: 1101, data: 'hello' }],
  ['[PA] old data already below RCV.NXT', 'PA', { seq: 996, data: 'hello' }],
  ['[A] keepalive probe seq RCV.NXT-1, 0 bytes', 'A', { seq: 1000 }],
  ['[A] keepalive probe with 1 garbage byte', 'A', { seq: 1000, data: 'z' }],
  ['[A] seq beyond window', 'A', { seq: 900_000 }],
  ['[FA] in order', 'FA', {}],
  ['[FA] out of order +100', 'FA', { seq: 1101 }],
  ['[PAU] 5 bytes urg 5', 'PAU', { data: 'hello', urg: 5 }],
  ['[] no flags 5 bytes', '', { data: 'hello' }],
  ['[PA] bad checksum', 'PA', { data: 'hello', bad: true }],
  ['[SFPU] xmas+syn', 'SFPU', {}],
  ['[PA] partially old data (3 old + 5 new)', 'PA', { seq: 998, data: 'oldhello' }],
];

const ESTABLISHED_SECTIONS: readonly Section[] = ESTABLISHED.map(
  ([title, flags, options]) =>
    async function established(w: WireWorld): Promise<void> {
      const c = await Client.make(w);
      const [sport, isn, socket] = c.established();
      const ack = flags.includes('A') ? isn + (options.ack ?? 1) : 0;
      const segment = c.segment(flags, sport, { seq: 1001, ...options, ack });
      const fact = w.probe('tcp-established', title, segment, [isn, 1000]);
      const got = socket.recv(99);
      fact.socket = typeof got === 'number' ? errnoName(got) : `recv ${got.len} bytes`;
    },
);

async function sending(w: WireWorld): Promise<void> {
  const c = await Client.make(w);
  const [sport, isn, socket] = c.established();
  const group = 'tcp-established';
  socket.send(latin('x'.repeat(10)));
  const sent = c.rx(0.1, sport);
  w.fact(group, 'send 10 bytes', lines(sent, [isn, 1000]));
  const startedAt = sent[0]?.at ?? 0;
  const times = c.rx(7, sport).map((s) => round(s.at - startedAt, 2));
  w.fact(group, 'unacked data: retransmissions at s (TLP then RTO doubling; RTT<1ms)', times);
  lingerZero(socket);
  socket.close();
  w.fact(group, 'close with SO_LINGER 0', lines(c.rx(0.05, sport), [isn, 1000]));
}

async function closing(w: WireWorld): Promise<void> {
  const c = await Client.make(w);
  const group = 'tcp-close';
  const [p1, isn1, unread] = c.established();
  w.write(c.segment('PA', p1, { seq: 1001, ack: isn1 + 1, data: 'unread' }));
  w.rx(0.05);
  unread.close();
  w.fact(group, 'close() with unread data', lines(c.rx(0.05, p1), [isn1, 1000]));
  const [p2, isn2, clean] = c.established();
  const base: Base = [isn2, 1000];
  clean.close();
  w.fact(group, 'close() clean', lines(c.rx(0.05, p2), base));
  const ofFin = { seq: 1001, ack: isn2 + 2 };
  w.probe(group, 'FIN_WAIT1: [A] of FIN', c.segment('A', p2, ofFin), base);
  const late = c.segment('PA', p2, { ...ofFin, data: 'late' });
  w.probe(group, 'FIN_WAIT2 (closed socket): data arrives', late, base);
}

async function timeWait(w: WireWorld): Promise<void> {
  const c = await Client.make(w);
  const group = 'tcp-time-wait';
  const enter = (): readonly [number, number, Base] => {
    const [sport, isn, socket] = c.established();
    socket.close();
    w.rx(0.02);
    w.write(c.segment('FA', sport, { seq: 1001, ack: isn + 2 }));
    w.rx(0.02);
    return [sport, isn, [isn, 1000]];
  };
  const [p1, isn1, base1] = enter();
  const fin = { seq: 1001, ack: isn1 + 2 };
  w.probe(group, 'duplicate FIN', c.segment('FA', p1, fin), base1);
  const lower = c.segment('S', p1, { seq: 500, tcpOpts: MSS });
  w.probe(group, '[S] lower seq, no TS', lower, base1);
  const higher = c.segment('S', p1, { seq: 90_000, tcpOpts: MSS });
  w.probe(group, '[S] higher seq', higher, [isn1, 90_000]);
  const [p2, isn2, base2] = enter();
  w.probe(group, '[R] seq RCV.NXT', c.segment('R', p2, { seq: 1002 }), base2);
  const again = c.segment('FA', p2, { seq: 1001, ack: isn2 + 2 });
  w.probe(group, 'then dup FIN (was TIME_WAIT killed?)', again, [0, 1000]);
  const [p3, isn3, base3] = enter();
  const data = c.segment('PA', p3, { seq: 1002, ack: isn3 + 2, data: 'zz' });
  w.probe(group, 'data segment', data, base3);
}

/** A socket of the kernel's that connects to port 4000 of ours: its port, sequence number and SYN. */
interface Connecting {
  readonly socket: Socket;
  readonly port: number;
  readonly isn: number;
  readonly syn: Seen;
}

async function connect(w: WireWorld): Promise<Connecting> {
  const socket = await w.tcpSocket();
  socket.connect(sockaddr(PEER, 4000));
  const syn = w.rx(0.03).find((s) => ports(s.bytes)[2] === 4000);
  if (syn === undefined) throw new Error('no SYN');
  return { socket, port: ports(syn.bytes)[1], isn: seqOf(syn.bytes), syn };
}

async function connecting(w: WireWorld): Promise<void> {
  const { port, isn, syn } = await connect(w);
  w.fact('tcp-connect', 'SYN', describe(syn.bytes, [isn, 0]));
  const resent = w.rx(9).filter((s) => ports(s.bytes)[1] === port);
  const title = 'SYN retransmissions at s (first 9 s; tcp_syn_linear_timeouts default)';
  w.fact(
    'tcp-connect',
    title,
    resent.map((s) => round(s.at - syn.at, 1)),
  );
}

/** What meets a SYN of ours. */
const SYN_SENT: readonly (readonly [string, string, (isn: number) => TcpOptions])[] = [
  ['[SA] wrong ack', 'SA', (isn) => ({ ack: isn + 50, tcpOpts: MSS })],
  ['[SA] right ack', 'SA', (isn) => ({ ack: isn + 1, tcpOpts: MSS })],
  ['[R] without ACK', 'R', () => ({ seq: 0 })],
  ['[RA] right ack', 'RA', (isn) => ({ seq: 0, ack: isn + 1 })],
  ['[RA] wrong ack', 'RA', (isn) => ({ seq: 0, ack: isn + 50 })],
  ['[A] right ack no SYN', 'A', (isn) => ({ ack: isn + 1 })],
  ['[A] wrong ack', 'A', (isn) => ({ ack: isn + 50 })],
  ['[S] simultaneous open', 'S', () => ({ tcpOpts: MSS })],
  ['[FA] right ack', 'FA', (isn) => ({ ack: isn + 1 })],
  ['[SF]', 'SF', () => ({})],
  ['[SA] with 5 data bytes', 'SA', (isn) => ({ ack: isn + 1, tcpOpts: MSS, data: 'hello' })],
];

const SYN_SENT_SECTIONS: readonly Section[] = SYN_SENT.map(
  ([title, flags, options]) =>
    async function synSent(w: WireWorld): Promise<void> {
      const { socket, port, isn } = await connect(w);
      const segment = tcp(flags, { sport: 4000, dport: port, seq: 7000, ...options(isn) });
      const fact = w.probe('tcp-syn-sent', title, segment, [isn, 7000]);
      fact.so_error = socketError(socket);
      fact.state = tcpState(socket);
    },
);

const ICMP_ERRORS: readonly (readonly [number, number])[] = [
  ...Array.from({ length: 16 }, (_, code) => [3, code] as const),
  [11, 0],
  [11, 1],
  [12, 0],
  [4, 0],
  [5, 1],
];

const TCP_STATE_NAMES: Readonly<Record<number, string>> = {
  1: 'ESTABLISHED',
  2: 'SYN_SENT',
  7: 'CLOSE',
};

/** An ICMP error about a packet that the kernel sent. */
function errorAbout(type: number, code: number, sent: Uint8Array): Uint8Array {
  let rest = [0, 0, 0, 0];
  if (type === 5) rest = quad(PEER);
  else if (type === 3 && code === 4) rest = [0, 0, 1200 >> 8, 1200 & 255];
  return icmp(type, code, { rest, data: sent.subarray(0, 28) });
}

/** Each socket in a world of its own: what one error taught must not change the next. */
const ICMP_SECTIONS: readonly Section[] = ICMP_ERRORS.map(
  ([type, code]) =>
    async function icmpToErrno(w: WireWorld): Promise<void> {
      const { socket, syn } = await connect(w);
      w.write(errorAbout(type, code, syn.bytes));
      w.rx(0.01);
      const synError = socketError(socket);
      const synState = tcpState(socket);
      const udpPlain = await udpError(new WireWorld(), type, code, false);
      const udpRecverr = await udpError(new WireWorld(), type, code, true);
      const c = await Client.make(new WireWorld());
      const [sport, , established] = c.established();
      established.send(latin('y'));
      const [data] = c.rx(0.02, sport);
      if (data === undefined) throw new Error('nothing sent');
      c.w.write(errorAbout(type, code, data.bytes));
      c.w.rx(0.01);
      w.fact('icmp-to-errno', `ICMP ${type}/${code}`, {
        tcp_syn_sent_so_error: synError,
        tcp_syn_sent_state_after: TCP_STATE_NAMES[synState],
        udp_connected: udpPlain,
        udp_IP_RECVERR: udpRecverr,
        tcp_established_so_error: socketError(established),
        tcp_established_state_after: TCP_STATE_NAMES[tcpState(established)],
      });
    },
);

async function udpError(
  w: WireWorld,
  type: number,
  code: number,
  recverr: boolean,
): Promise<string | 0> {
  const socket = await w.udpSocket();
  if (recverr) socket.setsockopt(0, 11, 1);
  socket.connect(sockaddr(PEER, 5000));
  socket.send(latin('x'));
  const sent = w.rx(0.02).find((s) => s.bytes[9] === 17);
  if (sent === undefined) throw new Error('no datagram');
  w.write(errorAbout(type, code, sent.bytes));
  w.rx(0.01);
  return socketError(socket);
}

async function wrongQuote(w: WireWorld): Promise<void> {
  const { socket, isn, syn } = await connect(w);
  const quote = syn.bytes.slice(0, 28);
  new DataView(quote.buffer).setUint32(24, isn + 5000);
  w.write(icmp(3, 1, { rest: [0, 0, 0, 0], data: quote }));
  w.rx(0.01);
  w.fact('icmp-to-errno', 'ICMP 3/1 quoting wrong TCP seq (SYN_SENT)', {
    tcp_syn_sent_so_error: socketError(socket),
  });
}

export const TCP_SECTIONS: readonly Section[] = [
  closedPort,
  listening,
  synAckTimes,
  ...SYN_RECV_SECTIONS,
  ...ESTABLISHED_SECTIONS,
  sending,
  closing,
  timeWait,
  connecting,
  ...SYN_SENT_SECTIONS,
  ...ICMP_SECTIONS,
  wrongQuote,
];
