/**
 * A namespace as its users see it: shaped like `ip OBJECT VERB`. Calls throw `NetError` with Linux's
 * number and, in `detail`, the kernel's sentence; a call that is refused has changed nothing.
 */

import type { DropReason } from '../drop.ts';
import { EINVAL, EPERM, NetError } from '../errno.ts';
import type { EventSource } from '../event.ts';
import { Capture, type CaptureOptions, type CaptureSink } from '../link/capture.ts';
import { MIB, MIB_GROUPS } from '../mib.ts';
import type { NetNs } from '../net.ts';
import { type Capability, type Credentials, effective, ROOT } from '../socket/credentials.ts';
import { AddrControl } from './addr.ts';
import { AddrLabelControl } from './addr-label.ts';
import { Addr6Control } from './addr6.ts';
import { BridgeControl } from './bridge.ts';
import { FilterControl, type FilterSpec } from './filter.ts';
import { findDevice } from './find-device.ts';
import { NetFs } from './fs/net-fs.ts';
import { guarded } from './guard.ts';
import { runIp } from './ip/ip.ts';
import type { Kernel } from './kernel.ts';
import { LinkControl } from './link.ts';
import { NeighControl } from './neigh.ts';
import { NexthopControl } from './nexthop.ts';
import { isPromise } from './promise.ts';
import { QdiscControl } from './qdisc.ts';
import { RouteControl } from './route.ts';
import { Route6Control } from './route6.ts';
import { RuleControl } from './rule.ts';
import { SocketControl } from './sockets.ts';
import { splitWords } from './split-words.ts';
import { stats6 } from './stats6.ts';
import { SysctlControl } from './sysctl.ts';

/** Counters of a namespace. */
export interface NamespaceStats {
  /** By Linux's names: `mib['Tcp.ActiveOpens']`, as in /proc/net/snmp, netstat and snmp6. */
  readonly mib: Readonly<Record<string, number>>;
  /** Packets that died here, by `skb_drop_reason`. */
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
}

const ADDR_CHANGES = ['add', 'replace', 'change', 'del', 'flush'] as const;
const ROUTE_CHANGES = [
  'add',
  'append',
  'prepend',
  'replace',
  'change',
  'del',
  'flush',
  'flushCache',
] as const;
const QDISC_CHANGES = ['add', 'replace', 'change', 'del'] as const;
const BRIDGE_CHANGES = [
  'set',
  'setPort',
  'fdbAdd',
  'fdbReplace',
  'fdbDel',
  'fdbFlush',
  'vlanAdd',
  'vlanDel',
  'vlanSet',
  'mdbAdd',
  'mdbDel',
] as const;

export class Namespace {
  /** The namespace's state: for the layers above that need more than these calls. */
  readonly net: NetNs;
  readonly kernel: Kernel;
  // Most namespaces are asked for few of these: each is made when it is.
  private linkMade: LinkControl | undefined;
  private addrMade: AddrControl | undefined;
  private routeMade: RouteControl | undefined;
  private addr6Made: Addr6Control | undefined;
  private route6Made: Route6Control | undefined;
  private neighMade: NeighControl | undefined;
  private sysctlMade: SysctlControl | undefined;
  private bridgeMade: BridgeControl | undefined;
  private qdiscMade: QdiscControl | undefined;
  private socketsMade: SocketControl | undefined;

  /** Who uses this face from inside; null: it is managed from outside. */
  private readonly cred: Credentials | null;
  /** The maker of an anonymous one gave it up. */
  private released: boolean;

  /** Made by `kernel.netns.add`. */
  constructor(kernel: Kernel, net: NetNs, cred: Credentials | null = null) {
    this.kernel = kernel;
    this.net = net;
    this.released = net.name !== null;
    this.cred = cred;
  }

  get link(): LinkControl {
    this.linkMade ??= this.guard(new LinkControl(this), ['add', 'set', 'del']);
    return this.linkMade;
  }

  get addr(): AddrControl {
    this.addrMade ??= this.guard(new AddrControl(this.net), ADDR_CHANGES);
    return this.addrMade;
  }

  get route(): RouteControl {
    this.routeMade ??= this.guard(new RouteControl(this.net), ROUTE_CHANGES);
    return this.routeMade;
  }

  /** The same of IPv6; `neigh` is for both. */
  get addr6(): Addr6Control {
    this.addr6Made ??= this.guard(new Addr6Control(this.net), ADDR_CHANGES);
    return this.addr6Made;
  }

  get route6(): Route6Control {
    this.route6Made ??= this.guard(new Route6Control(this.net), ROUTE_CHANGES);
    return this.route6Made;
  }

  get neigh(): NeighControl {
    this.neighMade ??= this.guard(new NeighControl(this.net), ADDR_CHANGES);
    return this.neighMade;
  }

  get sysctl(): SysctlControl {
    this.sysctlMade ??= guarded(
      new SysctlControl(this.net),
      ['set'],
      this.cred === null ? null : (_method, [name]) => this.checkSysctl(String(name)),
    );
    return this.sysctlMade;
  }

  get bridge(): BridgeControl {
    this.bridgeMade ??= this.guard(new BridgeControl(this.net), BRIDGE_CHANGES);
    return this.bridgeMade;
  }

  get qdisc(): QdiscControl {
    this.qdiscMade ??= this.guard(new QdiscControl(this.net), QDISC_CHANGES);
    return this.qdiscMade;
  }

  get sockets(): SocketControl {
    this.socketsMade ??= new SocketControl(this.net);
    return this.socketsMade;
  }

  private guard<T extends object>(control: T, changes: readonly (keyof T & string)[]): T {
    return guarded(control, changes, this.check);
  }

  /** Policy rules of IPv4; `rule6`: of IPv6. Made when asked for: few namespaces have any. */
  get rule(): RuleControl {
    return this.guard(new RuleControl(this.net, 'inet'), ['add', 'del', 'flush']);
  }

  get rule6(): RuleControl {
    return this.guard(new RuleControl(this.net, 'inet6'), ['add', 'del', 'flush']);
  }

  /** Labels of IPv6 addresses. */
  get addrlabel(): AddrLabelControl {
    return this.guard(new AddrLabelControl(this.net), ['add', 'del', 'flush']);
  }

  /** Nexthop objects. */
  get nexthop(): NexthopControl {
    return this.guard(new NexthopControl(this.net), ['add', 'replace', 'del']);
  }

  /** Calls before changes from inside; null: it is managed from outside. */
  private get check(): ((method: string, args: readonly unknown[]) => void) | null {
    if (this.cred === null) return null;
    return (_method, args) => this.checkChange(args);
  }

  /** Null when anonymous. */
  get name(): string | null {
    return this.net.name;
  }

  /** /proc/net, /proc/sys/net and /sys/class/net as a tree that is read and written by path. */
  get fs(): NetFs {
    return new NetFs(this);
  }

  /** What looks at packets at the edges of devices, and may give them to another namespace: `tc filter`. */
  get filter(): FilterControl {
    const check = (method: string, args: readonly unknown[]): void => {
      const { actions = [], program } = method === 'add' ? (args[1] as FilterSpec) : {};
      this.checkChange(program === undefined ? actions : [...actions, { netns: program }]);
    };
    return guarded(
      new FilterControl(this.net),
      ['attach', 'detach', 'add', 'del'],
      this.cred === null ? null : check,
    );
  }

  /** What rtnetlink would multicast: changes of links, addresses, routes, neighbours. */
  get events(): EventSource {
    return this.net.events;
  }

  /** The host name that programs in this namespace see. */
  get hostname(): string {
    return this.net.hostname;
  }

  set hostname(name: string) {
    this.checkChange([]);
    this.net.hostname = name;
  }

  /**
   * Does what `ip WORDS` does here, and returns what it prints. Words are separated by white space;
   * quotes keep words together. Throws `NetError` where `ip` fails.
   */
  ip(words: string | readonly string[]): string {
    const argv = typeof words === 'string' ? splitWords(words) : words;
    const { netns } = this.kernel;
    const outcome = runIp(
      { ns: this, findNetns: (n) => netns.find(n), listNetns: () => netns.list() },
      argv,
    );
    if (outcome.error !== null) throw outcome.error;
    return outcome.stdout;
  }

  /**
   * Runs `fn` with this namespace's sockets, names and timers. It is there with the Node layer only,
   * which gives the kernel a runner. While it runs, and until a promise that it returns is settled, it
   * keeps the namespace alive.
   */
  run<T>(fn: () => T): T {
    const { runner } = this.kernel;
    if (runner === null)
      throw new NetError(95, 'run', 'namespace.run() needs Node.js: import Kernel from warren');
    const letGo = this.hold();
    let result: T;
    try {
      result = runner(this, fn);
    } catch (e) {
      letGo();
      throw e;
    }
    // The caller's own promise: who does not handle its rejection must hear of it, and nobody else.
    if (isPromise(result)) return result.finally(letGo) as T;
    letGo();
    return result;
  }

  /**
   * Keeps the namespace alive without a name (an open file of nsfs), until the function that it returns
   * is called.
   */
  hold(): () => void {
    this.net.hold();
    let held = true;
    return () => {
      if (held) this.net.release();
      held = false;
    };
  }

  /** Of an anonymous namespace: its maker needs it no more; it ends when nobody else does. */
  release(): void {
    if (this.isInside) throw new NetError(EPERM, 'netns');
    if (this.name !== null) throw new NetError(EINVAL, 'netns', 'a name holds it: netns.del(name)');
    if (this.released || this.net === this.kernel.core.initial) return;
    this.released = true;
    this.net.release();
    this.kernel.core.cleanupNow();
  }

  /** False once the namespace has ended. */
  get alive(): boolean {
    return !this.net.dead;
  }

  stats(): NamespaceStats {
    const mib: Record<string, number> = {};
    for (const [group, names] of Object.entries(MIB_GROUPS)) {
      for (const name of names) {
        const index = MIB[`${group}${name}` as keyof typeof MIB];
        mib[`${group}.${name}`] = this.net.mib[index] ?? 0;
      }
    }
    Object.assign(mib, stats6(this.net));
    return { mib, drops: Object.fromEntries(this.net.drops.entries()) };
  }

  /**
   * Records what passes the devices of this namespace, or one of them, as a pcapng file that `sink`
   * gets in pieces; until `close`.
   */
  capture(sink: CaptureSink, options: CaptureOptions & { readonly dev?: string } = {}): Capture {
    if (this.cred !== null && !effective(this.net, this.cred).capNetRaw)
      throw new NetError(EPERM, 'socket');
    const { dev, ...rest } = options;
    return new Capture(dev === undefined ? this.net : findDevice(this.net, dev), sink, rest);
  }

  /**
   * The same namespace as those have it who are inside: changes need CAP_NET_ADMIN, captures CAP_NET_RAW, and
   * other namespaces are out of reach. This is what a seal closes.
   */
  inside(cred: Credentials = ROOT): Namespace {
    return new Namespace(this.kernel, this.net, cred);
  }

  /** True of a face that `inside` gave. */
  get isInside(): boolean {
    return this.cred !== null;
  }

  /**
   * Takes capabilities from all who are inside, for good: from now on what needs them fails with EPERM,
   * while traffic flows and the outside manages as before (E14).
   */
  seal(take: readonly Capability[] = ['CAP_NET_ADMIN']): void {
    this.checkChange([]);
    this.net.taken = new Set([...(this.net.taken ?? []), ...take]);
  }

  /** Throws EPERM unless whoever uses this face may change the namespace, and nothing beyond it. */
  checkChange(args: readonly unknown[]): void {
    if (this.cred === null) return;
    const beyond = args.some((arg) => reachesOut(arg));
    if (beyond || !effective(this.net, this.cred).capNetAdmin)
      throw new NetError(EPERM, 'rtnetlink');
  }

  // DEVIATION: Linux lets uid 0 write most sysctls without any capability; a seal is to hold.
  private checkSysctl(name: string): void {
    if (this.cred !== null && !effective(this.net, this.cred).capNetAdmin)
      throw new NetError(EPERM, 'sysctl', `setting key "${name}": Operation not permitted`);
  }

  /** Ends the namespace with all that is in it, whoever uses it. */
  destroy(): void {
    if (this.isInside) throw new NetError(EPERM, 'netns');
    this.kernel.netns.remove(this);
  }
}

/** A device would come from or go to another namespace: who is inside has no say there. */
function reachesOut(arg: unknown): boolean {
  if (typeof arg !== 'object' || arg === null) return false;
  const { netns, peer } = arg as { netns?: unknown; peer?: { netns?: unknown } };
  return netns !== undefined || peer?.netns !== undefined;
}
