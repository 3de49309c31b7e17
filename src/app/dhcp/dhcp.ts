/** `dhcp client` and `dhcp server`: DHCP as programs of a namespace, in real and in virtual time. */
import { errnoText, type Namespace, NetError, parseIpv4, parseMac } from '../../core/index.ts';
import type { AppIo, RunningApp } from '../ping.ts';
import { DhcpClient, type Lease } from './client.ts';
import { DhcpServer, type DhcpServerOptions } from './server.ts';

const USAGE = `usage: dhcp client -i DEV [-q] [-x HOSTNAME]
       dhcp server -i DEV --range FIRST,LAST[,SECONDS] [--router ADDR,…|none] [--dns ADDR,…]
                   [--domain NAME] [--mtu BYTES] [--host MAC,ADDR]…
  -q   the client ends when it has a lease, and leaves the address to the kernel
`;

const ENDED: RunningApp = { stop: () => {} };

class Words extends Error {}

/** Runs `dhcp` with the words that follow its name. */
export function dhcp(ns: Namespace, argv: readonly string[], io: AppIo): RunningApp {
  const [verb, ...words] = argv;
  try {
    if (verb === 'client') return runClient(ns, words, io);
    if (verb === 'server') return runServer(ns, words, io);
    throw new Words(
      verb === undefined ? USAGE : `dhcp: "${verb}" is neither client nor server\n${USAGE}`,
    );
  } catch (e) {
    if (e instanceof NetError) io.err(`dhcp: ${e.syscall}: ${errnoText(e.errno)}\n`);
    else if (e instanceof RangeError) io.err(`dhcp: ${e.message}\n`);
    else if (e instanceof Words) io.err(e.message);
    else throw e;
    io.exit(2);
    return ENDED;
  }
}

function runClient(ns: Namespace, words: readonly string[], io: AppIo): RunningApp {
  let device = '';
  let hostname: string | undefined;
  let quit = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === '-q') quit = true;
    else if (word === '-i') device = argument(words, ++i, '-i');
    else if (word === '-x') hostname = argument(words, ++i, '-x');
    else throw new Words(`dhcp: "${word}" is no option of the client\n${USAGE}`);
  }
  if (device === '') throw new Words(`dhcp: -i DEV is missing\n${USAGE}`);
  let ended = false;
  const end = (client: DhcpClient, release: boolean): void => {
    if (ended) return;
    ended = true;
    client.stop(release);
    io.exit(0);
  };
  const client: DhcpClient = new DhcpClient(ns, {
    device,
    ...(hostname === undefined ? {} : { hostname }),
    log: (line) => io.out(`dhcp: ${line}\n`),
    changed: (lease) => {
      if (lease !== null) io.out(leaseLine(lease));
      if (lease !== null && quit) end(client, false);
    },
  });
  return { stop: () => end(client, true) };
}

function leaseLine(lease: Lease): string {
  const dns = lease.dns.length === 0 ? '' : ` dns ${lease.dns.join(',')}`;
  const via = lease.routers.length === 0 ? '' : ` via ${lease.routers.join(',')}`;
  return `${lease.address}/${lease.prefixLen}${via}${dns} from ${lease.server}\n`;
}

function runServer(ns: Namespace, words: readonly string[], io: AppIo): RunningApp {
  const server = new DhcpServer(ns, {
    ...serverOptions(words),
    log: (line) => io.out(`dhcp: ${line}\n`),
  });
  let ended = false;
  return {
    stop: () => {
      if (ended) return;
      ended = true;
      server.stop();
      io.exit(0);
    },
  };
}

/** What the words say; for `dhcp server` and for lab files. */
export function serverOptions(words: readonly string[]): DhcpServerOptions {
  const o: { -readonly [K in keyof DhcpServerOptions]?: DhcpServerOptions[K] } = {};
  const hosts = new Map<number, number>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const value = (): string => argument(words, ++i, word);
    switch (word) {
      case '-i':
        o.device = value();
        break;
      case '--range': {
        const [first = '', last = '', seconds] = value().split(',');
        o.first = address(first);
        o.last = address(last);
        if (seconds !== undefined) o.leaseSeconds = positive(seconds, 'a lease');
        break;
      }
      case '--router': {
        const text = value();
        o.routers = text === 'none' ? [] : text.split(',').map(address);
        break;
      }
      case '--dns':
        o.dns = value().split(',').map(address);
        break;
      case '--domain':
        o.domain = value();
        break;
      case '--mtu':
        o.mtu = positive(value(), 'an MTU');
        break;
      case '--host': {
        const [mac = '', addr = ''] = value().split(',');
        const parsed = parseMac(mac);
        if (parsed === undefined) throw new Words(`dhcp: "${mac}" is no MAC address\n`);
        hosts.set(parsed, address(addr));
        break;
      }
      default:
        throw new Words(`dhcp: "${word}" is no option of the server\n${USAGE}`);
    }
  }
  const { device, first, last } = o;
  if (device === undefined) throw new Words(`dhcp: -i DEV is missing\n${USAGE}`);
  if (first === undefined || last === undefined)
    throw new Words(`dhcp: --range FIRST,LAST is missing\n${USAGE}`);
  return { ...o, device, first, last, hosts };
}

function argument(words: readonly string[], i: number, option: string): string {
  const word = words[i];
  if (word === undefined) throw new Words(`dhcp: ${option} wants an argument\n${USAGE}`);
  return word;
}

function address(text: string): number {
  const addr = parseIpv4(text);
  if (addr === undefined) throw new Words(`dhcp: "${text}" is no IPv4 address\n`);
  return addr;
}

function positive(text: string, what: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1) throw new Words(`dhcp: "${text}" is no number for ${what}\n`);
  return n;
}
