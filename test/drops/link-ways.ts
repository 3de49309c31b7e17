/** Ways to die below IP: devices, bridges, queues, neighbours. */
import assert from 'node:assert/strict';
import { setPolicy } from '../../src/core/control/policy.ts';
import { bridgeAdd, bridgeAddPort } from '../../src/core/device/bridge.ts';
import { BR_STATE_BLOCKING, bridgePortOf } from '../../src/core/device/bridge-port.ts';
import { TunPort, tunAdd, tunAttach } from '../../src/core/device/tun.ts';
import type { DropReason } from '../../src/core/drop.ts';
import { parseNetem } from '../../src/core/index.ts';
import { devClose, devOpen, devSetQdisc } from '../../src/core/link/device-state.ts';
import { NetDevice } from '../../src/core/link/net-device.ts';
import { Netem } from '../../src/core/link/netem.ts';
import { TcHooks } from '../../src/core/link/tc.ts';
import { Gact } from '../../src/core/link/tc-action.ts';
import { MATCH_ALL } from '../../src/core/link/tc-match.ts';
import { ipv4 } from '../../src/core/util/address.ts';
import { ETH_P_ALL, ETH_P_IP } from '../../src/core/wire/ethernet.ts';
import { tcp as tcpBytes, udp as udpBytes } from '../wire/build.ts';
import { addAddress, at, udp } from '../world.ts';
import type { Scene } from './scene.ts';

export type Way = (scene: Scene) => void;

const DATA: Uint8Array = new Uint8Array(1000);

/** A tap device of `box`, and the host's end of it. */
function tap(scene: Scene, name = 'tap0', cidr?: string): { dev: NetDevice; port: TunPort } {
  const dev = tunAdd(scene.box, name, { mode: 'tap', mac: 0x020000000001 });
  assert.ok(dev instanceof NetDevice);
  const port = tunAttach(dev);
  assert.ok(port instanceof TunPort);
  if (cidr !== undefined) addAddress(dev, cidr);
  devOpen(dev);
  return { dev, port };
}

/** An Ethernet frame for tap0 around an IP packet, or around anything of another EtherType. */
function frame(
  payload: Uint8Array,
  o: { dst?: number; src?: number; type?: number } = {},
): Uint8Array {
  const bytes = new Uint8Array(14 + payload.length);
  const view = new DataView(bytes.buffer);
  const mac = (offset: number, value: number): void => {
    view.setUint16(offset, Math.floor(value / 2 ** 32));
    view.setUint32(offset + 2, value % 2 ** 32);
  };
  mac(0, o.dst ?? 0x020000000001);
  mac(6, o.src ?? 0x020000000099);
  view.setUint16(12, o.type ?? 0x0800);
  bytes.set(payload, 14);
  return bytes;
}

/** A bridge with tap0 as a port. */
function bridged(scene: Scene): { bridge: NetDevice; dev: NetDevice; port: TunPort } {
  const { dev, port } = tap(scene);
  const bridge = bridgeAdd(scene.box, 'br0', {});
  assert.ok(bridge instanceof NetDevice);
  devOpen(bridge);
  assert.equal(bridgeAddPort(bridge, dev), 0);
  return { bridge, dev, port };
}

/** Two namespaces and a wire; `box` is 10.0.0.1. */
function wired(scene: Scene): readonly [NetDevice, NetDevice] {
  const far = scene.addNet('far');
  return scene.wire({ net: scene.box, cidr: '10.0.0.1/24' }, { net: far, cidr: '10.0.0.2/24' });
}

function netem(dev: NetDevice, words: string): void {
  devSetQdisc(dev, new Netem(dev, parseNetem(words)));
}

export const LINK_WAYS: Readonly<Partial<Record<DropReason, Way>>> = {
  DEV_READY: (s) => {
    const [, far] = wired(s);
    udp(s.box).sendto(DATA, 0, at('10.0.0.2', 9));
    s.run(10_000);
    devClose(far);
    far.carrier = true;
    s.box.devs.find('eth0')!.carrier = true;
    udp(s.box).sendto(DATA, 0, at('10.0.0.2', 9));
    s.run(10_000);
  },
  CPU_BACKLOG: (s) => {
    s.box.sysctl = s.box.sysctl.with('netdevMaxBacklog', 1);
    for (let i = 0; i < 4; i++) s.tun.receive(udpBytes('x'));
    s.run(1000);
  },
  FULL_RING: (s) => {
    s.tun.onTransmit = null;
    const socket = udp(s.box);
    for (let i = 0; i < 600; i++) socket.sendto(new Uint8Array(1), 0, at('10.7.0.2', 9));
    s.run(1000);
  },
  UNHANDLED_PROTO: (s) => {
    tap(s).port.receive(frame(DATA, { type: 0x88b5 }));
    s.run(1000);
  },
  OTHERHOST: (s) => {
    tap(s, 'tap0', '10.8.0.1/24').port.receive(frame(udpBytes('x'), { dst: 0x020000000077 }));
    s.run(1000);
  },
  QDISC_DROP: (s) => {
    netem(s.tunDev, 'loss 100%');
    udp(s.box).sendto(DATA, 0, at('10.7.0.2', 9));
    s.run(1000);
  },
  QDISC_OVERLIMIT: (s) => {
    netem(s.tunDev, 'delay 1s limit 1');
    const socket = udp(s.box);
    for (let i = 0; i < 3; i++) socket.sendto(DATA, 0, at('10.7.0.2', 9));
    s.run(1000);
  },
  NEIGH_FAILED: (s) => {
    wired(s);
    udp(s.box).sendto(DATA, 0, at('10.0.0.77', 9));
    s.run(5_000_000);
  },
  NEIGH_QUEUEFULL: (s) => {
    wired(s);
    const socket = udp(s.box);
    for (let i = 0; i < 400; i++) socket.sendto(DATA, 0, at('10.0.0.77', 9));
    s.run(1000);
  },
  QUEUE_PURGE: (s) => {
    const [dev] = wired(s);
    udp(s.box).sendto(DATA, 0, at('10.0.0.77', 9));
    devClose(dev);
    s.run(1000);
  },
  TC_EGRESS: (s) => {
    const [dev] = wired(s);
    dev.tc = new TcHooks('clsact');
    dev.tc.egress.filters = [
      {
        pref: 1,
        protocol: ETH_P_ALL,
        handle: 1,
        match: MATCH_ALL,
        actions: [new Gact('drop')],
        packets: 0,
        bytes: 0,
      },
    ];
    udp(s.box).sendto(DATA, 0, at('10.0.0.77', 9));
    s.run(1000);
  },
  TC_INGRESS: (s) => {
    const { dev, port } = bridged(s);
    setPolicy(dev, { mac: '02:00:00:00:00:42' });
    port.receive(frame(udpBytes('x'), { dst: 0xffffffffffff }));
    s.run(1000);
  },
  NEIGH_CREATEFAIL: (s) => {
    const [dev] = wired(s);
    assert.ok(dev.up);
    s.box.arp.gcThresh3 = 2;
    for (let i = 10; i < 20; i++) udp(s.box).sendto(DATA, 0, at(`10.0.0.${i}`, 9));
    s.run(1000);
  },
  NEIGH_DEAD: (s) => {
    const [dev] = wired(s);
    const neigh = s.box.arp.create(dev, ipv4('10.0.0.9'), false);
    assert.ok(neigh !== null);
    s.box.arp.remove(neigh);
    neigh.output(s.kernel.newPacket(ETH_P_IP, dev));
  },
  MAC_INVALID_SOURCE: (s) => {
    bridged(s).port.receive(frame(DATA, { src: 0x010000000000 }));
    s.run(1000);
  },
  MAC_IEEE_MAC_CONTROL: (s) => {
    bridged(s).port.receive(frame(DATA, { dst: 0x0180c2000001, type: 0x8808 }));
    s.run(1000);
  },
  BRIDGE_INGRESS_STP_STATE: (s) => {
    const { dev, port } = bridged(s);
    bridgePortOf(dev)!.state = BR_STATE_BLOCKING;
    port.receive(frame(DATA));
    s.run(1000);
  },
  NO_TX_TARGET: (s) => {
    bridged(s).port.receive(frame(DATA, { dst: 0x020000000088 }));
    s.run(1000);
  },
  NOT_SPECIFIED: (s) => {
    // A reply to nobody's ARP request, from an address that cannot be one.
    tap(s, 'tap0', '10.8.0.1/24').port.receive(frame(new Uint8Array(28), { type: 0x0806 }));
    s.run(1000);
  },
  PKT_TOO_BIG: (s) => {
    s.box.sysctl = s.box.sysctl.with('icmpRatelimit', 0);
    const { dev } = tap(s, 'tap1', '10.9.0.1/24');
    dev.mtu = 600;
    for (const d of [dev, s.tunDev]) d.ipv4!.conf = d.ipv4!.conf.with('forwarding', 1);
    s.inject(tcpBytes('A', { dst: '10.9.0.2', frag: 0x4000, data: 'x'.repeat(1000) }));
  },
};
