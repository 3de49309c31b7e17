/** `bridge fdb … dev VXLAN … dst ADDRESS`: where the MACs of a VXLAN are (iproute2 `bridge/fdb.c`). */
import { Entry } from '../core/control/ip/entry.ts';
import { CommandError, EXIT_USAGE, notImplemented, type Words } from '../core/control/ip/words.ts';
import {
  isVxlan,
  type VxlanFdbSpec,
  vxlanFdb,
  vxlanFdbDel,
  vxlanFdbWrite,
} from '../core/control/kinds/vxlan.ts';
import type { Namespace } from '../core/control/namespace.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const VERBS: readonly string[] = ['add', 'append', 'replace', 'delete', 'del'];

/** Does the command speak of a VXLAN's own table? Then it is done here. */
export function bridgeVxlan(ns: Namespace, words: Words): boolean {
  const [verb = '', ...rest] = words.rest();
  const at = rest.indexOf('dev');
  if (!VERBS.includes(verb) || at < 0 || rest.includes('master')) return false;
  if (!isVxlan(ns, rest[at + 1] ?? '')) return false;
  words.next();
  const spec = specOf(words);
  if (verb.startsWith('del')) vxlanFdbDel(ns, spec);
  else vxlanFdbWrite(ns, spec, verb as 'add' | 'append' | 'replace');
  return true;
}

function specOf(words: Words): VxlanFdbSpec {
  const spec: Partial<Mutable<VxlanFdbSpec>> = {};
  while (!words.empty) word(words.next(), words, spec);
  const { dev, mac } = spec;
  if (dev === undefined || mac === undefined)
    throw new CommandError('Device and address are required arguments.', EXIT_USAGE);
  return { ...spec, dev, mac };
}

function word(w: string, words: Words, spec: Partial<Mutable<VxlanFdbSpec>>): void {
  switch (w) {
    case 'dev':
      spec.dev = words.next();
      return;
    case 'dst':
      spec.dst = words.next();
      return;
    case 'vni':
      spec.vni = words.unsigned('invalid VNI', 0xffffff);
      return;
    case 'port':
      spec.port = words.unsigned('invalid port', 65_535);
      return;
    case 'via':
      spec.via = words.next();
      return;
    case 'permanent':
    case 'local':
      spec.permanent = true;
      return;
    case 'dynamic':
    case 'static':
    case 'temp':
      spec.permanent = false;
      return;
    case 'self':
      return;
    case 'src_vni':
    case 'nhid':
    case 'router':
    case 'extern_learn':
    case 'use':
      throw notImplemented(`bridge fdb … ${w}`, 'the words are dst, vni, port and via');
    default:
      spec.mac = w;
  }
}

/** The lines of the VXLANs of a namespace. */
export function vxlanEntries(ns: Namespace, dev: string | undefined): Entry[] {
  return vxlanFdb(ns)
    .filter((f) => dev === undefined || f.dev === dev)
    .map((f) => {
      const out = new Entry();
      out.put('mac', f.mac, `${f.mac} `);
      out.put('ifname', f.dev, dev === undefined ? `dev ${f.dev} ` : '');
      out.put('dst', f.dst, `dst ${f.dst} `);
      if (f.port !== null) out.put('port', f.port, `port ${f.port} `);
      if (f.vni !== null) out.put('vni', f.vni, `vni ${f.vni} `);
      if (f.via !== null) out.put('viaIf', f.via, `via ${f.via} `);
      out.put('flags', ['self'], 'self ');
      out.put('state', f.permanent ? 'permanent' : '', f.permanent ? 'permanent' : '');
      return out.add('\n');
    });
}
