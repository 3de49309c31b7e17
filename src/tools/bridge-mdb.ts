/** `bridge mdb` (iproute2 `bridge/mdb.c`). */
import type { MdbInfo, MdbRouterInfo } from '../core/control/bridge.ts';
import { formatJson, type Json } from '../core/control/ip/entry.ts';
import type { ToolContext } from '../core/control/ip/ip.ts';
import {
  abbreviates,
  CommandError,
  EXIT_USAGE,
  notImplemented,
  type Words,
} from '../core/control/ip/words.ts';
import { parseIpv4, parseIpv6, parseMac } from '../core/index.ts';
import type { BridgeOptions } from './bridge.ts';
import { looseNumber, needDevice, unknownBridgeCommand, vidWord } from './bridge-words.ts';

const USAGE = `Usage: bridge mdb { add | del } dev DEV port PORT grp GROUP [permanent | temp] [vid VID]
       bridge mdb {show} [ dev DEV ] [ vid VID ]`;

export function bridgeMdb(ctx: ToolContext, words: Words, options: BridgeOptions): string {
  if (words.empty) return show(ctx, words, options);
  const word = words.next();
  if (abbreviates(word, 'add')) return modify(ctx, words, true);
  if (abbreviates(word, 'delete')) return modify(ctx, words, false);
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return show(ctx, words, options);
  if (abbreviates(word, 'help')) throw new CommandError(USAGE, EXIT_USAGE);
  throw unknownBridgeCommand(word, 'mdb', ['add', 'del', 'show']);
}

function modify(ctx: ToolContext, words: Words, add: boolean): string {
  let dev: string | undefined;
  let port: string | undefined;
  let grp: string | undefined;
  let permanent = false;
  let vid = 0;
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') dev = words.next();
    else if (word === 'port') port = words.next();
    else if (word === 'grp') grp = words.next();
    else if (word === 'permanent') permanent = true;
    else if (word === 'temp') permanent = false;
    else if (word === 'vid') vid = vidWord(words.next());
    else if (['src', 'filter_mode', 'source_list', 'proto'].includes(word))
      throw notImplemented(`bridge mdb … ${word}`, 'a group is had from all sources or not at all');
    else throw new CommandError(USAGE, EXIT_USAGE);
  }
  if (dev === undefined || port === undefined || grp === undefined)
    throw new CommandError(
      'Device, group address and port name are required arguments.',
      EXIT_USAGE,
    );
  needDevice(ctx, dev);
  needDevice(ctx, port);
  const known = parseIpv4(grp) ?? parseIpv6(grp) ?? parseMac(grp);
  if (known === undefined) throw new CommandError(`Invalid address "${grp}"`, EXIT_USAGE);
  const spec = { dev, port, grp, permanent, vid };
  if (add) ctx.ns.bridge.mdbAdd(spec);
  else ctx.ns.bridge.mdbDel(spec);
  return '';
}

function show(ctx: ToolContext, words: Words, options: BridgeOptions): string {
  let dev: string | undefined;
  let vid = 0;
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') dev = words.next();
    else if (word === 'vid') vid = looseNumber(words.next());
  }
  if (dev !== undefined) needDevice(ctx, dev);
  const wanted = ctx.ns.bridge
    .mdb()
    .filter((m) => dev === undefined || m.bridge === dev)
    .filter((m) => vid === 0 || m.vid === vid);
  const routers = ctx.ns.bridge.mdbRouters().filter((r) => dev === undefined || r.bridge === dev);
  if (options.json) {
    const router: Record<string, Json[]> = {};
    for (const r of routers) {
      router[r.bridge] ??= [];
      router[r.bridge]?.push(routerJson(r, options));
    }
    const json = [{ mdb: wanted.map((m) => mdbJson(m, options)), router }];
    return `${formatJson(json, options.pretty)}\n`;
  }
  return wanted.map((m) => mdbText(m, options)).join('') + routerText(routers, options);
}

function seconds(n: number): string {
  return n.toFixed(2).padStart(7);
}

function mdbJson(m: MdbInfo, options: BridgeOptions): Json {
  return {
    index: m.index,
    dev: m.bridge,
    port: m.port,
    grp: m.grp,
    state: m.permanent ? 'permanent' : 'temp',
    ...(options.details && m.protocol !== null ? { protocol: m.protocol } : {}),
    flags: [],
    ...(m.vid === 0 ? {} : { vid: m.vid }),
    ...(options.stats > 0 ? { timer: seconds(m.timer) } : {}),
  };
}

/** One member, as `bridge mdb` and `bridge monitor` print it. */
export function mdbText(m: MdbInfo, options: BridgeOptions): string {
  let text = `dev ${m.bridge} port ${m.port} grp ${m.grp} ${m.permanent ? 'permanent' : 'temp'}`;
  if (options.details && m.protocol !== null) text += ` proto ${m.protocol} `;
  if (m.vid !== 0) text += ` vid ${m.vid}`;
  if (options.stats > 0) text += ` ${seconds(m.timer)}`;
  return `${text}\n`;
}

function routerJson(r: MdbRouterInfo, options: BridgeOptions): Json {
  return {
    port: r.port,
    ...(options.stats > 0 ? { timer: seconds(r.timer) } : {}),
    ...(options.stats > 0 ? { type: r.type } : {}),
  };
}

function routerText(routers: readonly MdbRouterInfo[], options: BridgeOptions): string {
  const many = options.details || options.stats > 0;
  // LINUX: without -d routers are told in JSON alone.
  if (!many) return '';
  return routers
    .map((r) => {
      const how = options.stats > 0 ? ` ${seconds(r.timer)} ${r.type}` : ' ';
      return `router ports on ${r.bridge}: ${r.port}${how}\n`;
    })
    .join('');
}
