/** `ip link set DEV policy …`, and what `ip -d link` says of it. No word of iproute2: a policy is Warren's. */
import type { PolicyInfo, PolicySet } from '../policy.ts';
import type { Entry, Json } from './entry.ts';
import { CommandError, EXIT_USAGE, parseUnsigned, type Words, wrongArgument } from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  bit: 1,
  kbit: 1e3,
  mbit: 1e6,
  gbit: 1e9,
};

/** The words behind `policy`, up to the end; null: `none`. */
export function policyWords(words: Words): PolicySet | null {
  if (words.take('none')) return null;
  const set: Mutable<PolicySet> = {};
  const macs: string[] = [];
  const ips: string[] = [];
  while (!words.empty) {
    const word = words.next();
    switch (word) {
      case 'mac':
        macs.push(words.next());
        break;
      case 'ip':
        ips.push(words.next());
        break;
      case 'macs':
      case 'mtu':
      case 'storm':
        set[word] = words.unsigned(`invalid ${word}`);
        break;
      case 'rate':
        set.rate = rateWord(words.next());
        break;
      case 'router':
      case 'vlan':
        set[word] = true;
        break;
      case 'dhcp-server':
        set.dhcpServer = true;
        break;
      default:
        throw new CommandError(
          `policy: unknown word "${word}"; the words are mac, macs, ip, mtu, rate, storm, router, dhcp-server, vlan and none`,
          EXIT_USAGE,
        );
    }
  }
  if (macs.length > 0) set.mac = macs[0] === 'first' ? 'first' : macs;
  if (ips.length > 0) set.ip = ips;
  return set;
}

function rateWord(word: string): number {
  const m = /^(\d+(?:\.\d+)?)(\w*)$/.exec(word);
  const unit = UNITS[m?.[2]?.toLowerCase() ?? ''];
  if (
    m === null ||
    unit === undefined ||
    (parseUnsigned(m[1] ?? '') === undefined && !m[1]?.includes('.'))
  )
    throw wrongArgument('invalid rate\n', word);
  return Number(m[1]) * unit;
}

/** A line of `ip -d link`. */
export function putPolicy(out: Entry, info: PolicyInfo): void {
  const { passed, refused, ...rules } = info;
  const json: Record<string, Json> = {};
  let text = '\n    policy';
  for (const [key, value] of Object.entries(rules)) {
    const word = key === 'dhcpServer' ? 'dhcp-server' : key;
    if (value === undefined) continue;
    json[word] = value as Json;
    if (value === false) continue;
    if (value === true) text += ` ${word}`;
    else for (const one of Array.isArray(value) ? value : [value]) text += ` ${word} ${one}`;
  }
  const counts = Object.entries(refused).map(([kind, n]) => ` ${kind} ${n}`);
  text += ` passed ${passed} refused${counts.length === 0 ? ' 0' : counts.join('')} `;
  out.put('policy', { ...json, passed, refused: refused as Json }, text);
}
