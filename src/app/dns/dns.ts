/** `dns`: the server of `dns/server.ts` as a program of a namespace. */
import { errnoText, type Namespace, NetError, parseIpv4 } from '../../core/index.ts';
import type { AppIo, RunningApp } from '../ping.ts';
import { DnsServer, type DnsServerOptions } from './server.ts';

const USAGE = `usage: dns [--domain NAME] [--host NAME,ADDR[,ADDR…]]… [--forward ADDR[,ADDR…]] [--ttl SECONDS]
`;

class Words extends Error {}

/** Runs `dns` with the words that follow its name. */
export function dns(ns: Namespace, argv: readonly string[], io: AppIo): RunningApp {
  try {
    const server = new DnsServer(ns, parse(argv));
    let ended = false;
    return {
      stop: () => {
        if (ended) return;
        ended = true;
        server.stop();
        io.exit(0);
      },
    };
  } catch (e) {
    if (e instanceof NetError) io.err(`dns: ${e.syscall}: ${errnoText(e.errno)}\n`);
    else if (e instanceof RangeError || e instanceof Words) io.err(`dns: ${e.message}\n${USAGE}`);
    else throw e;
    io.exit(2);
    return { stop: () => {} };
  }
}

function parse(argv: readonly string[]): DnsServerOptions {
  const hosts = new Map<string, string[]>();
  const o: { domain?: string; forward?: number[]; ttl?: number } = {};
  for (let i = 0; i < argv.length; i += 2) {
    const word = argv[i] as string;
    const value = argv[i + 1];
    if (value === undefined) throw new Words(`${word} wants an argument`);
    switch (word) {
      case '--domain':
        o.domain = value;
        break;
      case '--host': {
        const [name = '', ...addresses] = value.split(',');
        if (name === '' || addresses.length === 0) throw new Words(`"${value}" is not NAME,ADDR`);
        hosts.set(name, [...(hosts.get(name) ?? []), ...addresses]);
        break;
      }
      case '--forward':
        o.forward = value.split(',').map((text) => {
          const addr = parseIpv4(text);
          if (addr === undefined) throw new Words(`"${text}" is no IPv4 address`);
          return addr;
        });
        break;
      case '--ttl': {
        const ttl = Number(value);
        if (!Number.isInteger(ttl) || ttl < 0)
          throw new Words(`"${value}" is no number of seconds`);
        o.ttl = ttl;
        break;
      }
      default:
        throw new Words(`"${word}" is no option`);
    }
  }
  return { hosts, ...o };
}
