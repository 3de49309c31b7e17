/** Ways to die in IPv4, ICMP and UDP. */
import assert from 'node:assert/strict';
import type { DropReason } from '../../src/core/drop.ts';
import { icmp, ip, udp as udpBytes } from '../wire/build.ts';
import { at, udp } from '../world.ts';
import type { Way } from './link-ways.ts';
import type { Scene } from './scene.ts';

const BODY: Uint8Array = new Uint8Array(64);

function forwarding(s: Scene): void {
  s.tunDev.ipv4!.conf = s.tunDev.ipv4!.conf.with('forwarding', 1);
}

/** A datagram's first fragment of 64 bytes at `offset`; `more` follow. */
function fragment(id: number, offset: number, more: boolean, len = 64): Uint8Array {
  return ip(new Uint8Array(len), 17, { id, frag: (more ? 0x2000 : 0) | (offset >> 3) });
}

export const IP_WAYS: Readonly<Partial<Record<DropReason, Way>>> = {
  IP_CSUM: (s) => {
    const bytes = udpBytes('x');
    bytes[10] = (bytes[10] ?? 0) ^ 0xff;
    s.inject(bytes);
  },
  IP_INHDR: (s) => s.inject(ip(BODY, 17, { ihl: 4 })),
  PKT_TOO_SMALL: (s) => s.inject(ip(BODY, 17, { total: 900 })),
  IP_INADDRERRORS: (s) => s.inject(udpBytes('x', { dst: '10.99.0.1' })),
  IP_INNOROUTES: (s) => {
    forwarding(s);
    s.inject(udpBytes('x', { dst: '10.99.0.1' }));
  },
  IP_RPFILTER: (s) => {
    s.tunDev.ipv4!.conf = s.tunDev.ipv4!.conf.with('rpFilter', 1);
    s.inject(udpBytes('x', { src: '10.99.0.1' }));
  },
  IP_INVALID_SOURCE: (s) => s.inject(udpBytes('x', { src: '224.0.0.1' })),
  IP_INVALID_DEST: (s) => s.inject(udpBytes('x', { dst: '0.0.0.0' })),
  IP_LOCALNET: (s) => s.inject(udpBytes('x', { dst: '127.0.0.1' })),
  IP_LOCAL_SOURCE: (s) => s.inject(udpBytes('x', { src: '10.7.0.1' })),
  IP_NOPROTO: (s) => s.inject(ip(BODY, 253)),
  UNICAST_IN_L2_MULTICAST: (s) => {
    const far = s.addNet('far');
    const [near, other] = s.wire(
      { net: s.box, cidr: '10.0.0.1/24' },
      { net: far, cidr: '10.0.0.2/24' },
    );
    near.ipv4!.conf = near.ipv4!.conf.with('dropUnicastInL2Multicast', 1);
    const sender = udp(far);
    sender.sendto(BODY, 0, at('10.0.0.1', 9));
    s.run(10_000);
    // The neighbour's address becomes everybody's.
    far.arp.find(other, at('10.0.0.1', 0).addr)?.update(0xffffffffffff, 0x80, 1 | 0x80000000);
    sender.sendto(BODY, 0, at('10.0.0.1', 9));
    s.run(10_000);
  },
  NOMEM: (s) => {
    s.box.sysctl = s.box.sysctl.with('ipfragHighThresh', 0);
    s.inject(fragment(1, 0, true), fragment(2, 0, true));
  },
  DUP_FRAG: (s) => s.inject(fragment(1, 0, true), fragment(1, 0, true)),
  FRAG_REASM_TIMEOUT: (s) => {
    s.inject(fragment(1, 0, true));
    s.run(40_000_000);
  },
  FRAG_TOO_FAR: (s) => {
    s.box.sysctl = s.box.sysctl.with('ipfragMaxDist', 1);
    s.inject(
      fragment(1, 0, true),
      fragment(2, 0, true),
      fragment(3, 0, true),
      fragment(4, 0, true),
    );
    s.inject(fragment(1, 64, false));
  },
  ICMP_CSUM: (s) => s.inject(icmp(8, 0, { bad: true })),
  INVALID_PROTO: (s) => s.inject(icmp(13, 0, { dst: '10.7.0.255', data: BODY })),
  UDP_CSUM: (s) => s.inject(udpBytes('x', { bad: true })),
  NO_SOCKET: (s) => s.inject(udpBytes('x')),
  SOCKET_FILTER: (s) => {
    const socket = udp(s.box);
    assert.equal(socket.bind(at('0.0.0.0', 2000)), 0);
    const nothing = [{ code: 0x06, jt: 0, jf: 0, k: 0 }];
    assert.equal(socket.setsockopt(1, 26, nothing), 0);
    s.inject(udpBytes('x'));
  },
  SOCKET_RCVBUFF: (s) => {
    const socket = udp(s.box);
    socket.setsockopt(1, 8, 0);
    assert.equal(socket.bind(at('0.0.0.0', 2000)), 0);
    for (let i = 0; i < 20; i++) s.inject(udpBytes('x'.repeat(1000)));
  },
};
