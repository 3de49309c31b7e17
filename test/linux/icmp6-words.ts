/** Messages of neighbour discovery in words: `v1 ff02::1 ra life=1800 prefix=fd01::/64,c0,3600,1800 mtu=1400`. */
import { ip6, putIp6 } from '../../src/core/util/ip6-addr.ts';

/** Device, destination, the message in hexadecimal, and its hop limit. */
export function icmp6Words([dev = '', dst = '', type = '', ...words]: readonly string[]): string[] {
  const given = words.map((w) => w.split('=') as [string, string]);
  const number = (key: string, usual: number): number =>
    Number(given.find(([k]) => k === key)?.[1] ?? usual);
  const head =
    type === 'ra'
      ? [
          ...[134, 0, 0, 0, number('hop', 64), number('flags', 0)],
          ...be16(number('life', 1800)),
          ...be32(number('reach', 0)),
          ...be32(number('retrans', 0)),
        ]
      : type === 'redirect'
        ? [137, 0, 0, 0, 0, 0, 0, 0, ...addr(given, 'target'), ...addr(given, 'dst')]
        : [number('type', 133), 0, 0, 0, ...be32(number('rest', 0))];
  const options = given.flatMap(([key, value]) => option(key, value));
  return [dev, dst, hex([...head, ...options]), String(number('hops', 255))];
}

function addr(given: readonly [string, string][], key: string): number[] {
  return bytes6(given.find(([k]) => k === key)?.[1] ?? '::');
}

/** `prefix=ADDR/LEN,FLAGS,VALID,PREFERRED`, `route=ADDR/LEN,FLAGS,LIFETIME`, `mtu=N`, `mac=MAC`. */
function option(key: string, value: string): number[] {
  const [prefix = '', flags = '0', first = '0', second = '0'] = value.split(',');
  const [text = '', len = '0'] = prefix.split('/');
  switch (key) {
    case 'prefix': {
      const times = [...be32(Number(first)), ...be32(Number(second)), 0, 0, 0, 0];
      return [3, 4, Number(len), Number.parseInt(flags, 16), ...times, ...bytes6(text)];
    }
    case 'route': {
      const head = [24, 3, Number(len), Number.parseInt(flags, 16), ...be32(Number(first))];
      return [...head, ...bytes6(text)];
    }
    case 'mtu':
      return [5, 1, 0, 0, ...be32(Number(value))];
    case 'mac':
      return [1, 1, ...value.split(':').map((b) => Number.parseInt(b, 16))];
    case 'target-mac':
      return [2, 1, ...value.split(':').map((b) => Number.parseInt(b, 16))];
    case 'raw':
      return [...Buffer.from(value, 'hex')];
    default:
      return [];
  }
}

function bytes6(text: string): number[] {
  const out = new Uint8Array(16);
  putIp6(new DataView(out.buffer), 0, ip6(text));
  return [...out];
}

function be16(n: number): number[] {
  return [(n >>> 8) & 255, n & 255];
}

function be32(n: number): number[] {
  return [...be16(n >>> 16), ...be16(n)];
}

function hex(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('hex');
}
