/**
 * The connections of a script: which live ports they have, and how the script's sequence numbers and
 * timestamps map to live ones. The script's numbers begin where the script says; the remote side is the
 * script itself, so its numbers are live as they are.
 *
 * A SYN that a script numbers otherwise than 0 may be followed by numbers that go on from it (`S. 123:123(0)`,
 * then `ack 124`) or, as tcpdump prints them and packetdrill has it, by such that begin at 1 (`ack 1`). The
 * first number that either reading fits decides, for each side of a connection once.
 */
import type { PacketAction, TcpOption } from './script.ts';

export type Protocol = 'tcp' | 'udp';

export class Flow {
  readonly proto: Protocol;
  /** Live ports; the local one is 0 until a packet tells it. */
  localPort: number;
  readonly remotePort: number;
  /** The ports that the script writes; null: it writes none. */
  readonly written: { readonly local: number; readonly remote: number } | null;
  /** Live file descriptor of its socket, once known. */
  fd: number | null = null;
  /** Local sequence numbers: the script's and the live one of the same byte. */
  private scriptIsn = 0;
  private liveIsn = 0;
  isAnchored = false;
  /** What the remote side's SYN says; null: no SYN came in. */
  private remoteIsn: number | null = null;
  /** Added to the script's numbers of the remote side, but in a SYN. */
  private remoteShift = 0;
  /** It is known how numbers go on after the SYN, of either side. */
  private isRemoteSettled = false;
  private isLocalSettled = false;
  /** A SYN came in since: the next SYN-ACK may have another number. */
  mayReanchor = true;
  /** The MSS that the remote side offered; 536 (RFC 9293 §3.7.1) without. */
  remoteMss = 0;
  /** Smallest next-hop MTU that an ICMP message of the script told; Infinity: none. */
  pathMtu: number = Number.POSITIVE_INFINITY;
  /** Next byte that the remote side would send, and what the local one acknowledged. */
  remoteNext = 0;
  localAck: number | null = null;
  localNext = 0;
  /** When another connection took its place as the one under test, µs of the script; Infinity: it is. */
  pastUs: number = Number.POSITIVE_INFINITY;
  /** connect() was called again: the next SYN may come from another port. */
  mayMove = false;
  /** `TS val` of outbound packets: what the script says, what was live. */
  private readonly timestamps: Map<number, number> = new Map();
  private lastTimestamp: readonly [number, number] | null = null;

  constructor(proto: Protocol, localPort: number, remotePort: number, written: Flow['written']) {
    this.proto = proto;
    this.localPort = localPort;
    this.remotePort = remotePort;
    this.written = written;
  }

  anchor(script: number, live: number): void {
    this.scriptIsn = script;
    this.liveIsn = live;
    this.isAnchored = true;
    this.mayReanchor = false;
    this.isLocalSettled = script === 0;
  }

  /** A SYN of the script. */
  noteRemoteSyn(seq: number): void {
    if (this.remoteIsn !== null) return;
    this.remoteIsn = seq;
    this.isRemoteSettled = seq === 0;
  }

  /** The script writes `script` where `live` is meant, behind the SYN of the remote side. */
  settleRemote(script: number, live: number): void {
    if (this.isRemoteSettled || this.remoteIsn === null) return;
    this.isRemoteSettled = true;
    if (script !== live && (script + this.remoteIsn) >>> 0 === live)
      this.remoteShift = this.remoteIsn;
  }

  /** The same for the local side. */
  settleLocal(script: number, live: number): void {
    if (this.isLocalSettled || !this.isAnchored) return;
    this.isLocalSettled = true;
    if (this.live(script) !== live && (script + this.liveIsn) >>> 0 === live) this.scriptIsn = 0;
  }

  /** A number of the remote side that the script writes, as a live one. */
  remoteLive(script: number): number {
    return (script + this.remoteShift) >>> 0;
  }

  remoteScript(live: number): number {
    return (live - this.remoteShift) >>> 0;
  }

  /** SACK blocks of a packet that left are about the remote side's numbers. */
  remoteOption(o: TcpOption): TcpOption {
    if (o.kind !== 'sack' || this.remoteShift === 0) return o;
    const script = (n: number): number => this.remoteScript(n);
    return { kind: 'sack', blocks: o.blocks.map(([a, b]) => [script(a), script(b)] as const) };
  }

  /** Local sequence number of the script as a live one. */
  live(script: number): number {
    return this.isAnchored ? (script - this.scriptIsn + this.liveIsn) >>> 0 : script;
  }

  script(live: number): number {
    return this.isAnchored ? (live - this.liveIsn + this.scriptIsn) >>> 0 : live;
  }

  /** The ports are those of a connection that was: its numbers go on. */
  goOnFrom(before: Flow): void {
    this.scriptIsn = before.scriptIsn;
    this.liveIsn = before.liveIsn;
    this.isAnchored = before.isAnchored;
    this.lastTimestamp = before.lastTimestamp;
    for (const [script, live] of before.timestamps) this.timestamps.set(script, live);
  }

  noteTimestamp(script: number, live: number): void {
    this.timestamps.set(script, live);
    this.lastTimestamp = [script, live];
  }

  /** An echo that the script writes, as the live value that was sent; 0 is none. */
  liveEcho(script: number): number {
    if (script === 0) return 0;
    const known = this.timestamps.get(script);
    if (known !== undefined) return known;
    if (this.lastTimestamp === null) return script;
    // A value that never was: as far from the last one as the script's.
    return (script - this.lastTimestamp[0] + this.lastTimestamp[1]) >>> 0;
  }

  /** What the last outbound timestamp was: the script's, the live one; null: none yet. */
  get timestampBase(): readonly [number, number] | null {
    return this.lastTimestamp;
  }
}

/** Of a connection whose socket the program closed. */
const NO_FD = -1;
/** First remote port of passive connections. */
const FIRST_PORT = 41_000;

export class FlowTable {
  readonly flows: Flow[] = [];
  private underTest: Flow | null = null;
  private readonly nowUs: () => number;
  /** A listener or an unconnected socket was made since: the next packet in begins a connection. */
  private isFresh = true;
  private nextPort = FIRST_PORT;
  /** Local port of the socket made last. */
  localPort: number;

  constructor(bindPort: number, nowUs: () => number) {
    this.localPort = bindPort;
    this.nowUs = nowUs;
  }

  /** The one that packets without ports belong to. */
  get current(): Flow | null {
    return this.underTest;
  }

  private change(flow: Flow): void {
    if (this.underTest !== null) this.underTest.pastUs = this.nowUs();
    flow.pastUs = Number.POSITIVE_INFINITY;
    this.underTest = flow;
  }

  /** `socket()`: what follows is about another connection. */
  fresh(): void {
    this.isFresh = true;
  }

  /** `connect()`: the local port shows with the first packet, unless the socket was bound. */
  connecting(proto: Protocol, remotePort: number, fd: number): Flow {
    const before = this.flows.find((f) => f.fd === fd && f.remotePort === remotePort);
    if (before !== undefined) {
      before.mayMove = true;
      before.mayReanchor = true;
      this.change(before);
      return before;
    }
    const flow = new Flow(proto, 0, remotePort, null);
    flow.fd = fd;
    this.flows.push(flow);
    this.change(flow);
    this.isFresh = false;
    return flow;
  }

  /** The connection of a packet that the script sends. */
  forInbound(action: PacketAction, isOpening: boolean): Flow {
    const proto = action.body.proto === 'udp' ? 'udp' : 'tcp';
    if (action.ports !== null) {
      const [remote, local] = action.ports;
      return this.written(proto, local, remote) ?? this.add(proto, local, remote, true);
    }
    const { current } = this;
    const isNew = this.isFresh && (isOpening || proto === 'udp');
    if (current !== null && current.proto === proto && !isNew) return current;
    this.isFresh = false;
    return this.add(proto, this.localPort, this.nextPort++, false);
  }

  private add(proto: Protocol, local: number, remote: number, isWritten: boolean): Flow {
    const flow = new Flow(proto, local, remote, isWritten ? { local, remote } : null);
    this.flows.push(flow);
    if (!isWritten) this.change(flow);
    return flow;
  }

  private written(proto: Protocol, local: number, remote: number): Flow | null {
    const found = this.flows.find(
      (f) => f.proto === proto && f.written?.local === local && f.written.remote === remote,
    );
    if (found !== undefined) return found;
    // A connection that the host opened: the script gives its local port a name of its own.
    const { current } = this;
    if (current === null || current.written !== null || current.remotePort !== remote) return null;
    if (current.proto !== proto) return null;
    const named = current as { written: Flow['written'] };
    named.written = { local, remote };
    return current;
  }

  /** The connection that an outbound packet of the script is of; null: none was begun. */
  forOutbound(action: PacketAction): Flow | null {
    const proto = action.body.proto === 'udp' ? 'udp' : 'tcp';
    if (action.ports === null) return this.current;
    const [local, remote] = action.ports;
    return this.written(proto, local, remote);
  }

  /** The connection of a live packet that left; `isOpening`: a SYN, or a datagram. */
  ofLive(proto: Protocol, localPort: number, remotePort: number, isOpening: boolean): Flow | null {
    const matches = this.flows.filter((f) => f.proto === proto && f.remotePort === remotePort);
    const exact = matches.findLast((f) => f.localPort === localPort);
    const open = isOpening ? matches.find((f) => f.localPort === 0 || f.mayMove) : undefined;
    if (exact !== undefined && (exact.fd !== NO_FD || open === undefined)) return exact;
    if (open === undefined) return null;
    if (exact !== undefined) open.goOnFrom(exact);
    open.localPort = localPort;
    open.mayMove = false;
    return open;
  }

  closed(fd: number): void {
    for (const flow of this.flows) if (flow.fd === fd) flow.fd = NO_FD;
  }

  /** The connection of a socket that accept() gave, by its peer's port. */
  accepted(remotePort: number, fd: number): void {
    const flow = this.flows.findLast((f) => f.remotePort === remotePort && f.fd === null);
    if (flow !== undefined) flow.fd = fd;
  }
}
