/** `ip addrlabel add|del|list|flush` (iproute2 `ip/ipaddrlabel.c`). */
import { Entry, printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  prefix6Of,
  unknownCommand,
  type Words,
  wrongArgument,
} from './words.ts';

const COMMANDS: readonly string[] = ['list', 'add', 'del', 'flush'];
const MAX_LABEL = 0xfffffffe;

export function ipAddrLabel(ctx: IpContext, words: Words): string {
  const word = words.empty ? 'list' : words.next();
  if (abbreviates(word, 'list') || abbreviates(word, 'show')) return list(ctx);
  if (abbreviates(word, 'add')) return modify(ctx, words, true);
  if (abbreviates(word, 'delete')) return modify(ctx, words, false);
  if (abbreviates(word, 'flush')) {
    ctx.ns.addrlabel.flush();
    return '';
  }
  throw unknownCommand(word, 'addrlabel', COMMANDS);
}

function list(ctx: IpContext): string {
  const entries = ctx.ns.addrlabel.list().map((l) => {
    const out = new Entry();
    out.put('address', l.address, `prefix ${l.address}`);
    out.put('prefixlen', l.prefixLen, `/${l.prefixLen} `);
    if (l.dev !== null) out.put('ifname', l.dev, `dev ${l.dev} `);
    return out.put('label', l.label, `label ${l.label} `).add('\n');
  });
  return printList(entries, ctx.options);
}

function modify(ctx: IpContext, words: Words, add: boolean): string {
  let prefix: string | undefined;
  let dev: string | undefined;
  let label: number | undefined;
  while (!words.empty) {
    const word = words.next();
    if (word === 'prefix') {
      const { addr, len } = prefix6Of(words.next());
      prefix = `${addr}/${len}`;
    } else if (word === 'dev') {
      dev = words.next();
      if (!ctx.ns.link.has(dev)) throw wrongArgument('dev is invalid\n', dev);
    } else if (word === 'label') {
      const text = words.next();
      label = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      if (!(label <= MAX_LABEL)) throw wrongArgument('label is invalid\n', text);
    } else throw new CommandError(`Error: "${word}" is not known.`, EXIT_PARSE);
  }
  if (prefix === undefined) throw missing('prefix');
  if (label === undefined) throw missing('label');
  const where = dev === undefined ? { prefix } : { prefix, dev };
  if (add) ctx.ns.addrlabel.add({ ...where, label });
  else ctx.ns.addrlabel.del(where);
  return '';
}

function missing(name: string): CommandError {
  return new CommandError(`Not enough information: "${name}" argument is required.`, EXIT_PARSE);
}
