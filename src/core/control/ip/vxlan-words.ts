/** `type vxlan …` (iproute2 `ip/iplink_vxlan.c`): words, and what is printed. */
import { isMulticast, parseIpv4 } from '../../util/address.ts';
import { VXLAN_DEFAULT_PORT } from '../../wire/vxlan.ts';
import type { VxlanInfo, VxlanOptions } from '../kinds/vxlan.ts';
import type { Json } from './entry.ts';
import type { KindText } from './kind-show.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  notImplemented,
  parseUnsigned,
  type Words,
  wrongArgument,
} from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Words of the real one that this one refuses. */
const NOT_HERE: readonly string[] = [
  'flowlabel',
  'maxaddress',
  'proxy',
  'rsc',
  'l2miss',
  'l3miss',
  'udp6zerocsumtx',
  'udp6zerocsumrx',
  'remcsumtx',
  'remcsumrx',
  'external',
  'vnifilter',
  'gbp',
  'gpe',
];

/** Undefined when nothing was said. */
export function vxlanOptions(words: Words): VxlanOptions | undefined {
  if (words.empty) return undefined;
  const o: Partial<Mutable<VxlanOptions>> = {};
  while (!words.empty) word(words.next(), words, o);
  const { id } = o;
  if (id === undefined)
    throw new CommandError('vxlan: missing virtual network identifier', EXIT_PARSE);
  return { ...o, id, port: o.port || VXLAN_DEFAULT_PORT };
}

function word(w: string, words: Words, o: Partial<Mutable<VxlanOptions>>): void {
  if (NOT_HERE.some((n) => w === n))
    throw notImplemented(`type vxlan ${w}`, 'see docs/devices.md for what vxlan has');
  if (flagWord(w, o)) return;
  switch (w) {
    case 'id':
    case 'vni':
      o.id = words.unsigned('invalid id', 0xffffff);
      return;
    case 'group':
    case 'remote':
      o.remote = farWord(w, words);
      return;
    case 'local':
      o.local = addressWord(words, 'invalid local address');
      return;
    case 'dev':
      o.device = words.next();
      return;
    case 'ttl':
    case 'hoplimit':
      o.ttl = words.take('auto') ? 0 : words.unsigned('invalid TTL', 255);
      return;
    case 'tos':
    case 'dsfield':
      o.tos = words.take('inherit') ? 1 : tosWord(words);
      return;
    case 'dstport':
      o.port = words.unsigned('dst port', 65_535);
      return;
    case 'srcport':
    case 'port':
      o.portRange = [words.unsigned('min port', 65_535), words.unsigned('max port', 65_535)];
      return;
    case 'ageing':
      o.ageing = words.take('none') ? 0 : words.unsigned('ageing timer');
      return;
    case 'df':
      o.df = dfWord(words);
      return;
    default:
      throw new CommandError(`vxlan: unknown command "${w}"?`, EXIT_USAGE);
  }
}

function flagWord(w: string, o: Partial<Mutable<VxlanOptions>>): boolean {
  if (abbreviates(w, 'nolearning') && w.length > 2) o.learning = false;
  else if (w === 'learning') o.learning = true;
  else if (w === 'udpcsum') o.udpCsum = true;
  else if (w === 'noudpcsum') o.udpCsum = false;
  // What they turn off is not there.
  else return /^no(udp6zerocsum[tr]x|remcsum[tr]x|proxy|rsc|l[23]miss|external|gbp)$/.test(w);
  return true;
}

function farWord(w: string, words: Words): string {
  const text = words.next();
  const addr = parseIpv4(text);
  if (addr === undefined || isMulticast(addr) !== (w === 'group'))
    throw wrongArgument(`invalid ${w} address\n`, text);
  return text;
}

function addressWord(words: Words, says: string): string {
  const text = words.next();
  const addr = parseIpv4(text);
  if (addr === undefined || isMulticast(addr)) throw wrongArgument(`${says}\n`, text);
  return text;
}

function tosWord(words: Words): number {
  const text = words.next();
  const tos = parseUnsigned(text.startsWith('0x') ? text : `0x${text}`);
  if (tos === undefined || tos > 255) throw wrongArgument('bad TOS value\n', text);
  return tos;
}

function dfWord(words: Words): 'unset' | 'set' | 'inherit' {
  const text = words.next();
  if (text !== 'unset' && text !== 'set' && text !== 'inherit')
    throw wrongArgument("DF must be 'unset', 'set' or 'inherit'\n", text);
  return text;
}

export function vxlanShow(v: VxlanInfo): KindText {
  const json: { [key: string]: Json } = {};
  let text = '';
  const put = (key: string, value: Json, words: string): void => {
    json[key] = value;
    text += words;
  };
  put('id', v.id, `id ${v.id} `);
  const far = v.remote === null ? undefined : isMulticast(parseIpv4(v.remote) ?? 0);
  if (far !== undefined) {
    const key = far ? 'group' : 'remote';
    put(key, v.remote, `${key} ${v.remote} `);
  }
  if (v.local !== null) put('local', v.local, `local ${v.local} `);
  if (v.device !== null) put('link', v.device, `dev ${v.device} `);
  const [low, high] = v.portRange;
  put('port_range', { low, high }, `srcport ${low} ${high} `);
  put('port', v.port, `dstport ${v.port} `);
  put('learning', v.learning, v.learning ? '' : 'nolearning ');
  const tos = `0x${v.tos.toString(16)}`;
  if (v.tos !== 0) put('tos', tos, `tos ${v.tos === 1 ? 'inherit' : tos} `);
  put('ttl', v.ttl, `ttl ${v.ttl === 0 ? 'auto' : v.ttl} `);
  put('df', v.df, v.df === 'unset' ? '' : `df ${v.df} `);
  put('ageing', v.ageing, v.ageing === 0 ? 'ageing none ' : `ageing ${v.ageing} `);
  put('udp_csum', v.udpCsum, v.udpCsum ? 'udpcsum ' : 'noudpcsum ');
  put('udp_zero_csum6_tx', false, 'noudp6zerocsumtx ');
  put('udp_zero_csum6_rx', false, 'noudp6zerocsumrx ');
  return { json, text };
}
