/**
 * A DHCP client (RFC 2131 §4.4): asks for an address, has it while its lease lasts, and gives it back. The kernel
 * counts the lease too: an address whose client is gone expires.
 */
import { formatIpv4, type Namespace } from '../../core/index.ts';
import { DhcpLink } from './link.ts';
import {
  addressesOption,
  addressOption,
  BOOTREPLY,
  BOOTREQUEST,
  CLIENT_PORT,
  DHCPACK,
  DHCPDISCOVER,
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
  OPT_HOST_NAME,
  OPT_LEASE_TIME,
  OPT_MAX_SIZE,
  OPT_MESSAGE_TYPE,
  OPT_MTU,
  OPT_PARAMETERS,
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

export type DhcpState = 'init' | 'selecting' | 'requesting' | 'bound' | 'renewing' | 'rebinding';

/** What a server gave. Times are seconds; Infinity: for good. */
export interface Lease {
  readonly address: string;
  readonly prefixLen: number;
  readonly server: string;
  readonly routers: readonly string[];
  readonly dns: readonly string[];
  readonly domain: string;
  readonly mtu: number;
  readonly seconds: number;
  readonly renewSeconds: number;
  readonly rebindSeconds: number;
}

export interface DhcpClientOptions {
  readonly device: string;
  /** Told to the server; the namespace's host name when absent, none when ''. */
  readonly hostname?: string;
  /** Told of what happens, in a line. */
  readonly log?: (line: string) => void;
  /** There is a lease, a new one, or (null) none any more. */
  readonly changed?: (lease: Lease | null) => void;
}

const INADDR_BROADCAST = -1;
/** RFC 2131 §4.1: 4, 8, 16, 32, 64 s, each give or take one. */
const FIRST_WAIT_S = 4;
const LAST_WAIT_S = 64;
/** Requests that nobody answers before the search begins anew. */
const MOST_REQUESTS = 4;
/** After a refusal, so that two who do not agree do not fill the wire. */
const NAK_WAIT_S = 3;
/** RFC 2131 §4.4.5: the shortest time between two attempts to renew. */
const MIN_RENEW_S = 60;
const FOREVER = 0xffffffff;

export class DhcpClient {
  state: DhcpState = 'init';
  lease: Lease | null = null;
  private readonly ns: Namespace;
  private readonly options: DhcpClientOptions;
  private readonly link: DhcpLink;
  private readonly timer;
  private xid = 0;
  private attempts = 0;
  private startedUs = 0;
  /** The offer that is being requested. */
  private offer: DhcpMessage | null = null;
  private boundUs = 0;

  /** @throws NetError no such device, no right */
  constructor(ns: Namespace, options: DhcpClientOptions) {
    this.ns = ns;
    this.options = options;
    this.link = new DhcpLink(ns, { device: options.device, port: CLIENT_PORT }, (data) =>
      this.receive(data),
    );
    this.timer = ns.kernel.core.timer(() => this.timeout());
    this.start();
  }

  private get nowUs(): number {
    return this.ns.kernel.core.env.nowUs();
  }

  private random(below: number): number {
    return this.ns.kernel.core.random('dhcp').below(below);
  }

  private log(line: string): void {
    this.options.log?.(line);
  }

  /** RFC 2131 §4.4.1: INIT. */
  private start(): void {
    this.state = 'selecting';
    this.offer = null;
    this.attempts = 0;
    this.xid = this.random(2 ** 32);
    this.startedUs = this.nowUs;
    this.discover();
  }

  private discover(): void {
    this.log('sending discover');
    this.send(DHCPDISCOVER, new Map());
    this.backOff();
  }

  private request(): void {
    const { offer } = this;
    if (offer === null) return;
    this.log(`sending select for ${formatIpv4(offer.yiaddr)}`);
    this.send(
      DHCPREQUEST,
      new Map([
        [OPT_REQUESTED_IP, u32(offer.yiaddr)],
        [OPT_SERVER_ID, u32(addressOption(offer, OPT_SERVER_ID) ?? 0)],
      ]),
    );
    this.backOff();
  }

  private backOff(): void {
    const base = Math.min(FIRST_WAIT_S * 2 ** this.attempts, LAST_WAIT_S);
    this.attempts++;
    this.wait(base - 1 + this.random(2_000_001) / 1e6);
  }

  private wait(seconds: number): void {
    if (seconds === Number.POSITIVE_INFINITY) this.timer.clear();
    else this.timer.set(this.nowUs + Math.round(seconds * 1e6));
  }

  private timeout(): void {
    switch (this.state) {
      case 'selecting':
        this.discover();
        return;
      case 'requesting':
        if (this.attempts < MOST_REQUESTS) this.request();
        else this.start();
        return;
      case 'init':
        this.start();
        return;
      default:
        this.renew();
    }
  }

  /** T1, T2 and the end of the lease (RFC 2131 §4.4.5). */
  private renew(): void {
    const { lease } = this;
    if (lease === null) return;
    const age = (this.nowUs - this.boundUs) / 1e6;
    if (age >= lease.seconds) {
      this.log('lease lost, entering init state');
      this.give(null);
      this.start();
      return;
    }
    const rebinds = age >= lease.rebindSeconds;
    if (this.state === 'bound') {
      this.xid = this.random(2 ** 32);
      this.startedUs = this.nowUs;
    }
    this.state = rebinds ? 'rebinding' : 'renewing';
    this.log(rebinds ? 'broadcasting renew' : `sending renew to server ${lease.server}`);
    this.send(DHCPREQUEST, new Map());
    const until = (rebinds ? lease.seconds : lease.rebindSeconds) - age;
    // Half of the time that is left, but not too often.
    this.wait(Math.min(until, Math.max(until / 2, MIN_RENEW_S)));
  }

  private send(type: number, extra: ReadonlyMap<number, Uint8Array>): void {
    const hostname = this.options.hostname ?? this.ns.hostname;
    const { link, lease } = this;
    const options = new Map<number, Uint8Array>([
      [OPT_MESSAGE_TYPE, Uint8Array.of(type)],
      [OPT_CLIENT_ID, Uint8Array.of(1, ...macBytes(link.mac))],
      ...extra,
    ]);
    if (type !== DHCPRELEASE) {
      options.set(OPT_MAX_SIZE, u16(1500));
      options.set(OPT_PARAMETERS, Uint8Array.of(...WANTED));
      if (hostname !== '') options.set(OPT_HOST_NAME, asciiBytes(hostname.slice(0, 63)));
    }
    const own = lease === null ? 0 : numberOf(lease.address);
    const secs = Math.min(0xffff, Math.floor((this.nowUs - this.startedUs) / 1e6));
    const data = encodeDhcp({
      op: BOOTREQUEST,
      xid: this.xid,
      secs,
      broadcast: false,
      ciaddr: own,
      yiaddr: 0,
      siaddr: 0,
      giaddr: 0,
      chaddr: link.mac,
      options,
    });
    const toServer = lease !== null && (this.state === 'renewing' || type === DHCPRELEASE);
    if (toServer) link.send(data, numberOf(lease.server), SERVER_PORT);
    else link.sendFrame(data, { src: own, dst: INADDR_BROADCAST, port: SERVER_PORT });
  }

  private receive(data: Uint8Array): void {
    const m = decodeDhcp(data);
    if (m === null || m.op !== BOOTREPLY || m.xid !== this.xid || m.chaddr !== this.link.mac)
      return;
    const type = messageType(m);
    if (this.state === 'selecting') {
      if (type !== DHCPOFFER || addressOption(m, OPT_SERVER_ID) === undefined) return;
      if (!isUnicast(m.yiaddr)) return;
      this.offer = m;
      this.state = 'requesting';
      this.attempts = 0;
      this.request();
      return;
    }
    if (this.state !== 'requesting' && this.state !== 'renewing' && this.state !== 'rebinding')
      return;
    if (type === DHCPNAK) {
      if (!this.isFromServer(m)) return;
      this.log('received DHCP NAK');
      this.give(null);
      this.state = 'init';
      this.wait(NAK_WAIT_S);
    } else if (type === DHCPACK && isUnicast(m.yiaddr)) this.bind(m);
  }

  /** Of the server that was asked, if one was asked by name. */
  private isFromServer(m: DhcpMessage): boolean {
    const id = addressOption(m, OPT_SERVER_ID);
    if (this.state === 'requesting' && this.offer !== null)
      return id === addressOption(this.offer, OPT_SERVER_ID);
    return this.state === 'rebinding' || id === numberOf(this.lease?.server ?? '0.0.0.0');
  }

  /** RFC 2131 §4.4.1, §4.4.5: what T1 and T2 are when the server does not say. */
  private bind(m: DhcpMessage): void {
    const told = timeOption(m, OPT_LEASE_TIME);
    if (told === undefined) return;
    const seconds = told === FOREVER ? Number.POSITIVE_INFINITY : Math.max(told, 1);
    const rebind = Math.min(timeOption(m, OPT_REBINDING) ?? seconds * 0.875, seconds);
    const renew = Math.min(timeOption(m, OPT_RENEWAL) ?? seconds / 2, rebind);
    const server = addressOption(m, OPT_SERVER_ID) ?? numberOf(this.lease?.server ?? '0.0.0.0');
    this.boundUs = this.nowUs;
    this.state = 'bound';
    this.give({
      address: formatIpv4(m.yiaddr),
      prefixLen: prefixOf(addressOption(m, OPT_SUBNET_MASK), m.yiaddr),
      server: formatIpv4(server),
      routers: addressesOption(m, OPT_ROUTER).map(formatIpv4),
      dns: addressesOption(m, OPT_DNS).map(formatIpv4),
      domain: text(m.options.get(OPT_DOMAIN)),
      mtu: mtuOf(m.options.get(OPT_MTU)),
      seconds,
      renewSeconds: renew,
      rebindSeconds: rebind,
    });
    this.log(
      `lease of ${formatIpv4(m.yiaddr)} obtained from ${formatIpv4(server)}, lease time ${told}`,
    );
    this.wait(renew);
  }

  /** Another lease, or none: address and default route follow. */
  private give(lease: Lease | null): void {
    const before = this.lease;
    this.lease = lease;
    const { device } = this.options;
    if (before !== null && before.address !== lease?.address)
      this.ip(`addr del ${before.address}/${before.prefixLen} dev ${device}`);
    if (lease !== null) {
      const { seconds } = lease;
      const lft = seconds === Number.POSITIVE_INFINITY ? 'forever' : `${seconds}`;
      this.ip(
        `addr replace ${lease.address}/${lease.prefixLen} broadcast + dev ${device} valid_lft ${lft} preferred_lft ${lft}`,
      );
      const [router] = lease.routers;
      if (router !== undefined) this.ip(`route replace default via ${router} dev ${device}`);
      if (lease.mtu > 0 && lease.mtu !== before?.mtu)
        this.ip(`link set ${device} mtu ${lease.mtu}`);
    }
    this.options.changed?.(lease);
  }

  /** What the namespace refuses is told, and the lease stays. */
  private ip(words: string): void {
    try {
      this.ns.ip(words);
    } catch (e) {
      this.log(`ip ${words}: ${e instanceof Error ? e.message : String(e)}`);
    }
  }

  /** Ends the client; `release`: the address goes back to the server, and from the device. */
  stop(release = true): void {
    this.timer.clear();
    if (release && this.lease !== null) {
      const server = numberOf(this.lease.server);
      this.send(DHCPRELEASE, new Map([[OPT_SERVER_ID, u32(server)]]));
      this.log(`unicasting a release of ${this.lease.address} to ${this.lease.server}`);
      this.give(null);
    }
    this.state = 'init';
    this.link.close();
  }
}

const WANTED = [
  OPT_SUBNET_MASK,
  OPT_ROUTER,
  OPT_DNS,
  OPT_HOST_NAME,
  OPT_DOMAIN,
  OPT_MTU,
  OPT_BROADCAST,
  OPT_LEASE_TIME,
  OPT_RENEWAL,
  OPT_REBINDING,
] as const;

/** IPv4's smallest (RFC 791). */
const MIN_MTU = 68;

function mtuOf(value: Uint8Array | undefined): number {
  if (value === undefined || value.length < 2) return 0;
  const mtu = ((value[0] as number) << 8) | (value[1] as number);
  return mtu < MIN_MTU ? 0 : mtu;
}

function macBytes(mac: number): number[] {
  return [40, 32, 24, 16, 8, 0].map((shift) => Math.floor(mac / 2 ** shift) % 256);
}

function asciiBytes(name: string): Uint8Array {
  return Uint8Array.from(name, (c) => c.charCodeAt(0) & 0x7f);
}

function text(value: Uint8Array | undefined): string {
  return String.fromCharCode(...(value ?? []).filter((c) => c >= 0x21 && c < 0x7f));
}

export function numberOf(address: string): number {
  return address.split('.').reduce((n, part) => (n << 8) | Number(part), 0);
}

function isUnicast(addr: number): boolean {
  const first = addr >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

/** Of a mask that is one; else of the address's old class. */
function prefixOf(mask: number | undefined, addr: number): number {
  if (mask !== undefined) {
    const n = Math.clz32(~mask);
    if (n > 0 && (n === 32 ? mask === -1 : mask << n === 0)) return n;
  }
  const first = addr >>> 24;
  if (first < 128) return 8;
  return first < 192 ? 16 : 24;
}
