/** macvlan and IPv6: the group filter of a macvlan follows the groups that it is in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceLab } from '../../../test/device-lab.ts';

test('macvlan: neighbour discovery reaches it, from outside and from its like', () => {
  const w = new DeviceLab(['host', 'out', 'a', 'b'], true);
  w.script(`
    host link add eth0 type veth peer name v netns out
    host link set eth0 up
    out link set v up
    out addr add fd00::2/64 dev v nodad
    host link add m0 link eth0 netns a type macvlan mode bridge
    host link add m0 link eth0 netns b type macvlan mode bridge
    a link set m0 up
    b link set m0 up
    a addr add fd00::a/64 dev m0 nodad
    b addr add fd00::b/64 dev m0 nodad`);
  w.run(3_000_000);
  assert.equal(w.ping('out', 'fd00::a'), true);
  assert.equal(w.ping('a', 'fd00::b'), true);
  // Of a group in which it is not it gets nothing.
  const before = w.dev('b', 'm0').stats.multicast;
  w.ping('out', 'fd00::77');
  assert.equal(w.dev('b', 'm0').stats.multicast, before);
});
