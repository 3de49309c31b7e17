/** VLAN tags as bytes and as fields of a packet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BAD_L3, Packet } from '../packet.ts';
import { ETH_P_8021AD, ETH_P_8021Q, EthHeader } from './ethernet.ts';
import { frameBytes, frameLength, parseFrame } from './frame.ts';
import { tagsLength, VlanTag } from './vlan.ts';

const tags = fc.array(fc.tuple(fc.constantFrom(ETH_P_8021Q, ETH_P_8021AD), fc.nat(0xffff)), {
  maxLength: 8,
});

function stack(list: readonly (readonly [proto: number, tci: number])[]): VlanTag | null {
  return list.reduceRight<VlanTag | null>((inner, [p, tci]) => new VlanTag(p, tci, inner), null);
}

test('what is written is read again, whatever the tags', () => {
  fc.assert(
    fc.property(tags, fc.uint8Array({ maxLength: 60 }), (list, data) => {
      const pkt = new Packet(1, 0x9000, [data], data.length);
      pkt.eth = new EthHeader(1, 2, 0x9000);
      pkt.vlan = stack(list);
      const bytes = frameBytes(pkt);
      assert.equal(bytes.length, frameLength(pkt) + tagsLength(pkt.vlan));
      const back = new Packet(2, 0, [], 0);
      parseFrame(bytes, back);
      assert.deepEqual(back.vlan, pkt.vlan);
      assert.deepEqual([back.eth, back.proto, back.len], [pkt.eth, 0x9000, data.length]);
      assert.deepEqual(frameBytes(back), bytes);
    }),
  );
});

test('a tag that is cut off is no tag; more than eight are payload', () => {
  const head = [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7, 0x81, 0];
  for (const rest of [[], [0], [0, 5], [0, 5, 8]]) {
    const pkt = new Packet(1, 0, [], 0);
    parseFrame(Uint8Array.from([...head, ...rest]), pkt);
    assert.deepEqual([pkt.vlan, pkt.proto, pkt.len], [null, ETH_P_8021Q, rest.length]);
    assert.equal(pkt.flags & BAD_L3, 0);
  }
  const many = new Packet(1, 0, [], 0);
  parseFrame(
    Uint8Array.from([...head, ...Array.from({ length: 9 }, () => [0, 5, 0x81, 0]).flat()]),
    many,
  );
  assert.deepEqual([tagsLength(many.vlan), many.proto, many.len], [32, ETH_P_8021Q, 4]);
});
