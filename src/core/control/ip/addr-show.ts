/** `ip addr show` (iproute2 `ip/ipaddress.c`, `print_addrinfo`). */
import type { AddressInfo, LinkInfo } from '../info.ts';
import { Entry, type Json, type PrintOptions } from './entry.ts';
import { linkEntry } from './link-show.ts';

/** A device and its addresses; `withLink` false: the addresses alone. */
export function addrEntry(
  link: LinkInfo,
  addresses: readonly AddressInfo[],
  options: PrintOptions,
  withLink: boolean,
): Entry {
  const bare = !withLink || (options.oneline && !options.json);
  const out = bare ? new Entry() : linkEntry(link, options, 'addr');
  const infos: Json[] = [];
  for (const address of addresses) {
    infos.push(addressJson(address, options));
    out.add(addressText(address, options));
  }
  if (options.brief) out.add('\n');
  return out.set('addr_info', infos);
}

function forever(seconds: number): string {
  return seconds === Number.POSITIVE_INFINITY ? 'forever' : `${Math.floor(seconds)}sec`;
}

function addressText(a: AddressInfo, options: PrintOptions): string {
  const where =
    a.peer === null ? `${a.local}/${a.prefixLen} ` : `${a.local} peer ${a.peer}/${a.prefixLen} `;
  if (options.brief) return where;
  let text = options.oneline
    ? `${a.ifindex}: ${a.dev}    ${a.family} ${where}`
    : `    ${a.family} ${where}`;
  if (a.metric !== 0) text += `metric ${a.metric} `;
  if (a.broadcast !== null) text += `brd ${a.broadcast} `;
  text += `scope ${a.scope} `;
  for (const flag of addressFlags(a)) text += `${flag} `;
  text += `${a.label}\n       valid_lft ${forever(a.validLft)} preferred_lft ${forever(a.preferredLft)}`;
  return `${text}\n`;
}

/** In the order in which iproute2 prints them. */
function addressFlags(a: AddressInfo): string[] {
  if (a.family === 'inet6') return [...a.flags];
  const flags: string[] = [];
  if (a.secondary) flags.push('secondary');
  if (a.deprecated) flags.push('deprecated');
  if (a.validLft !== Number.POSITIVE_INFINITY) flags.push('dynamic');
  if (a.noprefixroute) flags.push('noprefixroute');
  return flags;
}

function addressJson(a: AddressInfo, options: PrintOptions): Json {
  const json: { [key: string]: Json } = { family: a.family, local: a.local };
  if (options.brief) {
    const { family: _family, ...brief } = json;
    if (a.peer !== null) brief['address'] = a.peer;
    brief['prefixlen'] = a.prefixLen;
    return brief;
  }
  if (a.peer !== null) json['address'] = a.peer;
  json['prefixlen'] = a.prefixLen;
  if (a.metric !== 0) json['metric'] = a.metric;
  if (a.broadcast !== null) json['broadcast'] = a.broadcast;
  json['scope'] = a.scope;
  for (const flag of addressFlags(a)) json[flag] = true;
  if (a.label !== '') json['label'] = a.label;
  json['valid_life_time'] = lifetime(a.validLft);
  json['preferred_life_time'] = lifetime(a.preferredLft);
  return json;
}

/** `INFINITY_LIFE_TIME` is all ones in 32 bits. */
function lifetime(seconds: number): number {
  return seconds === Number.POSITIVE_INFINITY ? 0xffffffff : Math.floor(seconds);
}
