/**
 * A DHCP server (RFC 2131 §4.3) for one network. Its leases are as many as its range has addresses, whatever clients
 * invent; what is offered is kept for a minute only.
 */
import { formatIpv4, type Namespace } from '../../core/index.ts';
import { DhcpLink } from './link.ts';
import {
  addressOption,
  BOOTREPLY,
  BOOTREQUEST,
  CLIENT_PORT,
  DHCPACK,
  DHCPDECLINE,
  DHCPDISCOVER,
  DHCPINFORM,
  DHCPNAK,
  DHCPOFFER,
  DHCPRELEASE,
  DHCPREQUEST,
  type DhcpMessage,
  decodeDhcp,
  encodeDhcp,
  messageType,
  OPT_BROADCAST,
  OPT_CLIENT_ID,
  OPT_DNS,
  OPT_DOMAIN,
  OPT_LEASE_TIME,
  OPT_MESSAGE_TYPE,
  OPT_MTU,
  OPT_REBINDING,
  OPT_RENEWAL,
  OPT_REQUESTED_IP,
  OPT_ROUTER,
  OPT_SERVER_ID,
  OPT_SUBNET_MASK,
  SERVER_PORT,
  timeOption,
  u16,
  u32,
} from './message.ts';

/** Addresses are signed 32-bit integers. */
export interface DhcpServerOptions {
  readonly device: string;
  /** First and last address that are given. */
  readonly first: number;
  readonly last: number;
  /** Length of a lease, seconds. */
  readonly leaseSeconds?: number;
  /** Absent: the server itself. */
  readonly routers?: readonly number[];
  readonly dns?: readonly number[];
  readonly domain?: string;
  readonly mtu?: number;
  /** Addresses for certain clients, by hardware address (48-bit integer). */
  readonly hosts?: ReadonlyMap<number, number>;
  readonly log?: (line: string) => void;
}

/** An address that somebody has, was offered, or should not get. */
interface Entry {
  readonly client: string;
  readonly mac: number;
  untilUs: number;
  state: 'offered' | 'leased' | 'declined';
}

/** A lease as it is listed. */
export interface ServedLease {
  readonly address: string;
  readonly mac: number;
  readonly leftSeconds: number;
}

const DEFAULT_LEASE_S = 3600;
/** The longest that a client may ask for; RFC 2131 leaves it to the server. */
const MIN_LEASE_S = 120;
const OFFER_US = 60_000_000;
const DECLINED_US = 3600_000_000;
/** Addresses of a range at most. */
const MAX_RANGE = 65_536;
const INADDR_BROADCAST = -1;

export class DhcpServer {
  private readonly ns: Namespace;
  private readonly options: DhcpServerOptions;
  private readonly link: DhcpLink;
  private readonly own: number;
  private readonly prefixLen: number;
  private readonly entries: Map<number, Entry> = new Map();
  private readonly byClient: Map<string, number> = new Map();
  private next: number;

  /** @throws NetError no such device, the port is taken; RangeError: the range is none of the device's network */
  constructor(ns: Namespace, options: DhcpServerOptions) {
    const { first, last, device } = options;
    const count = (last >>> 0) - (first >>> 0) + 1;
    if (count < 1 || count > MAX_RANGE)
      throw new RangeError(`a range has 1 to ${MAX_RANGE} addresses`);
    this.ns = ns;
    this.options = options;
    const address = ns.net.devs
      .find(device)
      ?.ipv4?.addresses.find((a) => inNetwork(first, a.local, a.prefixLen));
    if (address === undefined || !inNetwork(last, address.local, address.prefixLen))
      throw new RangeError(
        `${device} has no address in the network of ${formatIpv4(first)} to ${formatIpv4(last)}`,
      );
    this.own = address.local;
    this.prefixLen = address.prefixLen;
    this.next = first;
    this.link = new DhcpLink(ns, { device, port: SERVER_PORT }, (data, src) =>
      this.receive(data, src),
    );
  }

  private get nowUs(): number {
    return this.ns.kernel.core.env.nowUs();
  }

  /** Leases that run. */
  leases(): ServedLease[] {
    const { nowUs } = this;
    return [...this.entries]
      .filter(([, e]) => e.state === 'leased' && e.untilUs > nowUs)
      .map(([addr, e]) => ({
        address: formatIpv4(addr),
        mac: e.mac,
        leftSeconds: Math.round((e.untilUs - nowUs) / 1e6),
      }));
  }

  stop(): void {
    this.link.close();
  }

  private receive(data: Uint8Array, src: number): void {
    const m = decodeDhcp(data);
    if (m === null || m.op !== BOOTREQUEST) return;
    const client = clientOf(m);
    switch (messageType(m)) {
      case DHCPDISCOVER:
        this.discover(m, client);
        return;
      case DHCPREQUEST:
        this.request(m, client, src);
        return;
      case DHCPDECLINE:
        this.decline(m, client);
        return;
      case DHCPRELEASE:
        this.release(m, client);
        return;
      case DHCPINFORM:
        this.reply(m, DHCPACK, 0);
        return;
      default:
    }
  }

  private discover(m: DhcpMessage, client: string): void {
    const addr = this.choose(m, client);
    if (addr === null) {
      this.options.log?.('no address is free');
      return;
    }
    if (this.entries.get(addr)?.state !== 'leased' || !this.has(addr, client))
      this.enter(addr, m, client, 'offered', OFFER_US);
    this.reply(m, DHCPOFFER, addr);
  }

  /** RFC 2131 §4.3.1: what it has, what it had, what it asks for, any that is free. */
  private choose(m: DhcpMessage, client: string): number | null {
    const fixed = this.options.hosts?.get(m.chaddr);
    if (fixed !== undefined) return fixed;
    const known = this.byClient.get(client);
    if (known !== undefined && this.isFree(known, client)) return known;
    const asked = addressOption(m, OPT_REQUESTED_IP);
    if (asked !== undefined && this.isInRange(asked) && this.isFree(asked, client)) return asked;
    const { first, last } = this.options;
    const count = (last >>> 0) - (first >>> 0) + 1;
    for (let i = 0; i < count; i++) {
      const addr = this.next;
      this.next = addr === last ? first : (addr + 1) | 0;
      if (this.isFree(addr, client)) return addr;
    }
    return null;
  }

  private isInRange(addr: number): boolean {
    const { first, last } = this.options;
    return addr >>> 0 >= first >>> 0 && addr >>> 0 <= last >>> 0;
  }

  private isFree(addr: number, client: string): boolean {
    if (addr === this.own) return false;
    const mask = this.prefixLen >= 31 ? 0 : -1 >>> this.prefixLen;
    const host = addr & mask;
    if (mask !== 0 && (host === 0 || host === mask)) return false;
    for (const fixed of this.options.hosts?.values() ?? [])
      if (fixed === addr && this.byClient.get(client) !== addr) return false;
    const entry = this.entries.get(addr);
    if (entry === undefined || entry.untilUs <= this.nowUs) return true;
    return entry.client === client && entry.state !== 'declined';
  }

  private has(addr: number, client: string): boolean {
    const entry = this.entries.get(addr);
    return entry !== undefined && entry.client === client && entry.untilUs > this.nowUs;
  }

  private enter(
    addr: number,
    m: DhcpMessage,
    client: string,
    state: Entry['state'],
    forUs: number,
  ): void {
    const old = this.entries.get(addr);
    if (old !== undefined && this.byClient.get(old.client) === addr)
      this.byClient.delete(old.client);
    const before = this.byClient.get(client);
    if (before !== undefined && before !== addr) this.entries.delete(before);
    this.entries.set(addr, { client, mac: m.chaddr, untilUs: this.nowUs + forUs, state });
    this.byClient.set(client, addr);
  }

  private forget(addr: number): void {
    const entry = this.entries.get(addr);
    if (entry === undefined) return;
    this.entries.delete(addr);
    if (this.byClient.get(entry.client) === addr) this.byClient.delete(entry.client);
  }

  /** RFC 2131 §4.3.2: which of its states the client is in shows by what it fills in. */
  private request(m: DhcpMessage, client: string, src: number): void {
    const server = addressOption(m, OPT_SERVER_ID);
    const asked = addressOption(m, OPT_REQUESTED_IP);
    const mine = this.byClient.get(client);
    if (server !== undefined && server !== this.own) {
      // It took another server's offer.
      if (mine !== undefined && this.entries.get(mine)?.state === 'offered') this.forget(mine);
      return;
    }
    const addr = server !== undefined || m.ciaddr === 0 ? asked : m.ciaddr;
    if (addr === undefined) return;
    const fixed = this.options.hosts?.get(m.chaddr);
    const allowed = fixed === undefined ? this.has(addr, client) : fixed === addr;
    if (allowed) {
      this.enter(addr, m, client, 'leased', this.leaseSeconds(m) * 1e6);
      this.options.log?.(`lease of ${formatIpv4(addr)}`);
      this.reply(m, DHCPACK, addr);
    } else if (server !== undefined || mine !== undefined || !this.isNear(addr)) {
      this.reply(m, DHCPNAK, 0);
    } else if (m.ciaddr !== 0 && src === m.ciaddr && this.isInRange(addr))
      this.adopt(m, client, addr);
  }

  /** A lease of before this server's start that somebody still has, and renews. */
  private adopt(m: DhcpMessage, client: string, addr: number): void {
    if (!this.isFree(addr, client)) {
      this.reply(m, DHCPNAK, 0);
      return;
    }
    this.enter(addr, m, client, 'leased', this.leaseSeconds(m) * 1e6);
    this.reply(m, DHCPACK, addr);
  }

  private isNear(addr: number): boolean {
    return inNetwork(addr, this.own, this.prefixLen);
  }

  private decline(m: DhcpMessage, client: string): void {
    const addr = addressOption(m, OPT_REQUESTED_IP);
    if (addr === undefined || !this.has(addr, client)) return;
    this.options.log?.(`${formatIpv4(addr)} is in use by somebody else`);
    this.enter(addr, m, client, 'declined', DECLINED_US);
    this.byClient.delete(client);
  }

  private release(m: DhcpMessage, client: string): void {
    if (this.has(m.ciaddr, client)) this.forget(m.ciaddr);
  }

  private leaseSeconds(m: DhcpMessage): number {
    const most = this.options.leaseSeconds ?? DEFAULT_LEASE_S;
    const asked = timeOption(m, OPT_LEASE_TIME);
    return asked === undefined ? most : Math.min(most, Math.max(asked, MIN_LEASE_S));
  }

  private reply(m: DhcpMessage, type: number, yiaddr: number): void {
    const options = new Map<number, Uint8Array>([
      [OPT_MESSAGE_TYPE, Uint8Array.of(type)],
      [OPT_SERVER_ID, u32(this.own)],
    ]);
    if (type !== DHCPNAK) this.configure(options, m, yiaddr);
    const id = m.options.get(OPT_CLIENT_ID);
    // RFC 6842 §3
    if (id !== undefined) options.set(OPT_CLIENT_ID, id);
    const data = encodeDhcp({
      op: BOOTREPLY,
      xid: m.xid,
      secs: 0,
      broadcast: m.broadcast || (type === DHCPNAK && m.giaddr !== 0),
      ciaddr: type === DHCPACK ? m.ciaddr : 0,
      yiaddr,
      siaddr: type === DHCPNAK ? 0 : this.own,
      giaddr: m.giaddr,
      chaddr: m.chaddr,
      options,
    });
    this.send(data, m, type, yiaddr);
  }

  private configure(options: Map<number, Uint8Array>, m: DhcpMessage, yiaddr: number): void {
    const { routers, dns = [], domain = '', mtu = 0 } = this.options;
    const mask = (this.prefixLen === 0 ? 0 : -1 << (32 - this.prefixLen)) | 0;
    if (yiaddr !== 0) {
      const seconds = this.leaseSeconds(m);
      options.set(OPT_LEASE_TIME, u32(seconds));
      options.set(OPT_RENEWAL, u32(Math.floor(seconds / 2)));
      options.set(OPT_REBINDING, u32(Math.floor((seconds * 7) / 8)));
    }
    options.set(OPT_SUBNET_MASK, u32(mask));
    options.set(OPT_BROADCAST, u32(this.own | ~mask));
    const list = routers ?? [this.own];
    if (list.length > 0)
      options.set(OPT_ROUTER, Uint8Array.of(...list.flatMap((a) => [...u32(a)])));
    if (dns.length > 0) options.set(OPT_DNS, Uint8Array.of(...dns.flatMap((a) => [...u32(a)])));
    if (domain !== '')
      options.set(
        OPT_DOMAIN,
        Uint8Array.from(domain, (c) => c.charCodeAt(0)),
      );
    if (mtu > 0) options.set(OPT_MTU, u16(mtu));
  }

  /** RFC 2131 §4.1: to the relay; to who has an address; to all; to who does not answer for its address yet. */
  private send(data: Uint8Array, m: DhcpMessage, type: number, yiaddr: number): void {
    const { link, own } = this;
    if (m.giaddr !== 0) link.send(data, m.giaddr, SERVER_PORT);
    else if (type !== DHCPNAK && m.ciaddr !== 0) link.send(data, m.ciaddr, CLIENT_PORT);
    else if (type === DHCPNAK || m.broadcast || yiaddr === 0)
      link.sendFrame(data, { src: own, dst: INADDR_BROADCAST, port: CLIENT_PORT });
    else link.sendFrame(data, { src: own, dst: yiaddr, port: CLIENT_PORT, mac: m.chaddr });
  }
}

function inNetwork(addr: number, own: number, prefixLen: number): boolean {
  const mask = (prefixLen === 0 ? 0 : -1 << (32 - prefixLen)) | 0;
  return (addr & mask) === (own & mask);
}

/** Longest identifier that is told apart from others. */
const MAX_ID = 64;

/** By its identifier, or its hardware address. */
function clientOf(m: DhcpMessage): string {
  const id = m.options.get(OPT_CLIENT_ID);
  if (id === undefined || id.length < 2) return `mac ${m.chaddr.toString(16)}`;
  return `id ${[...id.subarray(0, MAX_ID)].map((b) => b.toString(16)).join(':')}`;
}
