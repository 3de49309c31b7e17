/** The facts about IPv6, its extension headers and ICMPv6, case by case as linux_wire.py makes them. */
import { latin } from './build.ts';
import { icmp6, icmp6Body, ip6, KERNEL6, six, udp6 } from './build6.ts';
import type { WireWorld } from './wire-world.ts';

const ECHO: readonly number[] = icmp6Body(128, 0, latin('qqqqqqqq'));

function icmpMessages(w: WireWorld): void {
  const probe = (title: string, bytes: Uint8Array): void => void w.probe('icmp6', title, bytes);
  probe('echo request', icmp6(128, 0, latin('qqqqqqqq')));
  probe('echo to ff02::1', icmp6(128, 0, [], { dst: 'ff02::1' }));
  probe('unknown informational type 200', icmp6(200, 0));
  probe('unknown error type 100', icmp6(100, 0));
}

/** Destination or hop-by-hop options with one option, in front of an echo request. */
function option(type: number): number[] {
  return [58, 0, type, 4, 0, 0, 0, 0, ...ECHO];
}

function extensions(w: WireWorld): void {
  const probe = (title: string, bytes: Uint8Array): void => void w.probe('ip6', title, bytes);
  for (const [type, what] of [
    [0x1e, '00 skip'],
    [0x5e, '01 discard'],
    [0x9e, '10 discard+ICMP'],
    [0xde, '11 discard+ICMP unless multicast'],
  ] as const) {
    const hex = type.toString(16).padStart(2, '0');
    probe(`destination option type ${hex} (${what})`, ip6(option(type), 60));
    probe(`hop-by-hop option type ${hex} (${what})`, ip6(option(type), 0));
  }
  probe('unknown next header 253', ip6(latin('abcdefgh'), 253));
  probe('no next header 59', ip6(latin('abcdefgh'), 59));
  const routing = [58, 2, 0, 1, 0, 0, 0, 0, ...six(KERNEL6), ...ECHO];
  probe('routing header type 0 segleft 1', ip6(routing, 43));
  probe('routing header type 0 segleft 0', ip6([58, 0, 0, 0, 0, 0, 0, 0, ...ECHO], 43));
  const late = [0, 0, 1, 4, 0, 0, 0, 0, ...option(0x1e)];
  probe('hop-by-hop not first (after destopt)', ip6(late, 60));
}

/** A fragment of an echo request. */
function fragment(id: number, offset: number, more: boolean, data: readonly number[]): Uint8Array {
  const field = offset | (more ? 1 : 0);
  return ip6([58, 0, field >> 8, field & 255, 0, 0, 0, id, ...data], 44);
}

function fragments(w: WireWorld): void {
  const probe = (title: string, ...list: readonly Uint8Array[]): void =>
    void w.probe('ip6', title, list);
  probe('atomic fragment', fragment(5, 0, false, ECHO));
  probe(
    'fragments overlap',
    fragment(6, 0, true, ECHO.slice(0, 16)),
    fragment(6, 8, false, ECHO.slice(8)),
  );
  probe('fragment payload not multiple of 8, M=1', fragment(7, 0, true, ECHO.slice(0, 13)));
  probe(
    'fragments fine',
    fragment(8, 0, true, ECHO.slice(0, 8)),
    fragment(8, 8, false, ECHO.slice(8)),
  );
}

function addresses(w: WireWorld): void {
  const probe = (title: string, bytes: Uint8Array): void => void w.probe('ip6', title, bytes);
  probe('source multicast ff02::9', icmp6(128, 0, [], { src: 'ff02::9' }));
  probe('source ::1', icmp6(128, 0, [], { src: '::1' }));
  probe('source ::', icmp6(128, 0, [], { src: '::' }));
  probe('dst ::1 from tun', icmp6(128, 0, [], { dst: '::1' }));
  probe('source ::ffff:10.7.0.2 mapped', icmp6(128, 0, [], { src: '::ffff:10.7.0.2' }));
  probe('hop limit 0 to us', icmp6(128, 0, [], { hopLimit: 0 }));
  probe('payload length > packet', ip6(ECHO, 58, { length: 200 }));
}

function udpClosed(w: WireWorld): void {
  w.probe('udp', 'closed port IPv6', udp6(latin('x')));
  w.probe('udp', 'IPv6 zero checksum to closed port', udp6(latin('x'), { zero: true }));
}

export const IP6_SECTIONS: readonly ((w: WireWorld) => void)[] = [
  icmpMessages,
  extensions,
  fragments,
  addresses,
  udpClosed,
];
