/** The trie of IPv6 prefixes against a list that is searched one by one, while prefixes come and go. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ip6Addr, prefixOf, samePrefix } from '../../util/ip6-addr.ts';
import { Random } from '../../util/random.ts';
import { PrefixTrie6 } from './prefix-trie6.ts';

interface Known {
  readonly addr: Ip6Addr;
  readonly length: number;
  readonly p: number;
}

function longest(list: readonly Known[], addr: Ip6Addr, below = 129): Known | undefined {
  let best: Known | undefined;
  for (const k of list)
    if (k.length < below && samePrefix(k.addr, addr, k.length) && k.length >= (best?.length ?? 0))
      best = k;
  return best;
}

/** Few values, so that prefixes lie in each other. */
function address(random: Random): Ip6Addr {
  const word = (): number => (random.below(4) === 0 ? random.below(4) << (4 * random.below(8)) : 0);
  return new Ip6Addr(0x20010000 | word(), word(), word(), word());
}

test('the longest prefix, and all shorter ones, as a list has them', () => {
  const random = new Random(7, 'trie');
  const trie = new PrefixTrie6();
  const empty = trie.bytes;
  let list: Known[] = [];
  for (let round = 0; round < 4000; round++) {
    const length = random.below(129);
    const addr = prefixOf(address(random), length);
    const known = list.find((k) => k.length === length && k.addr.equals(addr));
    assert.equal(trie.get(addr, length), known?.p ?? 0);
    if (known === undefined && (list.length < 300 || random.below(2) === 0))
      list.push({ addr, length, p: trie.add(addr, length) });
    const gone = list[random.below(list.length * 2)];
    if (gone !== undefined && list.length > 200) {
      trie.remove(gone.p, gone.addr);
      list = list.filter((k) => k !== gone);
    }
    const asked = random.below(2) === 0 ? address(random) : (list[0]?.addr ?? address(random));
    let expected = longest(list, asked);
    let p = trie.find(asked);
    for (; p !== 0; p = trie.shorter(p)) {
      assert.equal(p, expected?.p);
      assert.equal(trie.lengthOf(p), expected?.length);
      expected = longest(list, asked, expected?.length);
    }
    assert.equal(expected, undefined);
  }
  assert.equal(trie.size, list.length);
  for (const k of list) trie.remove(k.p, k.addr);
  assert.equal(trie.find(address(random)), 0);
  assert.ok(trie.bytes < 4 * empty);
});
