/** `ip route` of both families (iproute2 `ip/iproute.c`). Listings: `route-list.ts`; questions: `route-get.ts`. */
import type { IpContext } from './ip.ts';
import { getRoute } from './route-get.ts';
import { flushRoutes, listRoutes } from './route-list.ts';
import { isList, parseRoute } from './route-parse.ts';
import {
  abbreviates,
  CommandError,
  EXIT_USAGE,
  notImplemented,
  unknownCommand,
  type Words,
} from './words.ts';

const COMMANDS: readonly string[] = [
  'list',
  'show',
  'get',
  'add',
  'change',
  'replace',
  'append',
  'delete',
  'flush',
];

const USAGE = `Usage: ip route { list | flush } SELECTOR
       ip route get [ fibmatch ] ADDRESS [ from ADDRESS iif STRING ] [ oif STRING ] [ tos TOS ]
                    [ mark NUMBER ] [ vrf NAME ] [ ipproto PROTOCOL ] [ sport NUMBER ] [ dport NUMBER ]
       ip route { add | del | change | append | prepend | replace } ROUTE
SELECTOR := [ root PREFIX ] [ match PREFIX ] [ exact PREFIX ] [ table TABLE_ID ] [ vrf NAME ]
            [ proto RTPROTO ] [ type TYPE ] [ scope SCOPE ]
ROUTE := [ TYPE ] PREFIX [ tos TOS ] [ table TABLE_ID ] [ proto RTPROTO ] [ scope SCOPE ] [ metric METRIC ]
         { NH | nhid ID } OPTIONS [ nexthop NH ]...
NH := [ via [ FAMILY ] ADDRESS ] [ dev STRING ] [ weight NUMBER ] [ onlink ]
OPTIONS := [ mtu NUMBER ] [ advmss NUMBER ] [ rtt TIME ] [ rttvar TIME ] [ reordering NUMBER ] [ window NUMBER ]
           [ cwnd NUMBER ] [ initcwnd NUMBER ] [ ssthresh NUMBER ] [ src ADDRESS ] [ rto_min TIME ]
           [ hoplimit NUMBER ] [ initrwnd NUMBER ] [ features ecn ] [ quickack BOOL ] [ congctl NAME ]
           [ expires TIME ] [ fastopen_no_cookie BOOL ]`;

export function ipRoute(ctx: IpContext, words: Words): string {
  const { family } = ctx.options;
  const is6 = family === 'inet6' || (family === '' && words.meansIpv6);
  if (words.empty) return listRoutes(ctx, words, is6);
  const word = words.next();
  if (isList(word)) return listRoutes(ctx, words, is6);
  if (abbreviates(word, 'get')) return getRoute(ctx, words, is6);
  if (abbreviates(word, 'add')) return modify(ctx, words, is6, 'add');
  if (abbreviates(word, 'change') || word === 'chg') return modify(ctx, words, is6, 'change');
  if (abbreviates(word, 'replace')) return modify(ctx, words, is6, 'replace');
  if (abbreviates(word, 'prepend')) return modify(ctx, words, is6, 'prepend');
  if (abbreviates(word, 'append')) return modify(ctx, words, is6, 'append');
  if (abbreviates(word, 'delete')) return modify(ctx, words, is6, 'del');
  if (abbreviates(word, 'flush')) return flushRoutes(ctx, words, is6);
  if (['save', 'restore', 'showdump'].includes(word))
    throw notImplemented(`ip route ${word}`, 'the nearest is "ip -j route"');
  if (abbreviates(word, 'help')) throw new CommandError(USAGE, EXIT_USAGE);
  throw unknownCommand(word, 'route', COMMANDS);
}

type Verb = 'add' | 'change' | 'replace' | 'append' | 'prepend' | 'del';

function modify(ctx: IpContext, words: Words, is6: boolean, verb: Verb): string {
  if (words.empty) throw new CommandError(USAGE, EXIT_USAGE);
  const spec = parseRoute(ctx, words, is6);
  if (is6) ctx.ns.route6[verb](spec);
  else ctx.ns.route[verb](spec);
  return '';
}
