/** `ip maddr show`: the groups of devices, of the link, of IPv4 and of IPv6 (iproute2 `ip/ipmaddr.c`). */
import type { NetDevice } from '../../link/net-device.ts';
import { formatIpv4, formatMac } from '../../util/address.ts';
import { formatIpv6 } from '../../util/ip6-addr.ts';
import { groups4, groups6, macsOf } from '../fs/proc-device.ts';
import { Entry, type Json, printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import {
  abbreviates,
  CommandError,
  EXIT_USAGE,
  noDevice,
  notImplemented,
  type Words,
} from './words.ts';

export function ipMaddr(ctx: IpContext, words: Words): string {
  if (words.empty) return show(ctx, words);
  const word = words.next();
  if (abbreviates(word, 'add') || abbreviates(word, 'delete'))
    throw notImplemented(`ip maddr ${word}`, 'applications join groups, by IP_ADD_MEMBERSHIP');
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return show(ctx, words);
  throw new CommandError(`Command "${word}" is unknown, try "ip maddr help".`, EXIT_USAGE);
}

function show(ctx: IpContext, words: Words): string {
  let name: string | undefined;
  while (!words.empty) {
    const word = words.next();
    // LINUX: a word that is no keyword is the device's name.
    name = word === 'dev' ? words.next() : word;
  }
  const devs = [...ctx.ns.net.devs];
  const chosen = name === undefined ? devs : devs.filter((d) => d.name === name);
  if (name !== undefined && chosen.length === 0 && ctx.ns.net.devs.find(name) === undefined)
    throw noDevice(name);
  const entries = chosen.map((dev) => entryOf(dev, ctx)).filter((e) => e !== null);
  return printList(entries, ctx.options);
}

/** Null: the device is in no group of this family. */
function entryOf(dev: NetDevice, ctx: IpContext): Entry | null {
  const { family } = ctx.options;
  const list: { [key: string]: Json }[] = [];
  let text = `${dev.ifindex}:\t${dev.name}\n`;
  const add = (label: string, item: { [key: string]: Json }, address: string, n: number): void => {
    list.push(n === 1 ? item : { ...item, users: n });
    text += `\t${label} ${address}${n === 1 ? '' : ` users ${n}`}\n`;
  };
  if (family === '' || family === 'link')
    for (const [mac, n] of macsOf(dev)) {
      const link = formatMac(mac);
      add('link ', { link }, link, n);
    }
  if (family === '' || family === 'inet')
    for (const [group, of] of groups4(dev)) {
      const address = formatIpv4(group);
      add('inet ', { family: 'inet', address }, address, of?.filter.users ?? 1);
    }
  if (family === '' || family === 'inet6')
    for (const [group, n] of groups6(dev)) {
      const address = formatIpv6(group);
      add('inet6', { family: 'inet6', address }, address, n);
    }
  if (list.length === 0) return null;
  const out = new Entry();
  return out.put('ifindex', dev.ifindex, text).set('ifname', dev.name).set('maddr', list);
}
