/** `type netkit [mode l2|l3] [forward|blackhole] [peer …]` (iproute2 `ip/iplink_netkit.c`). */
import type { NetkitOptions } from '../kinds/netkit.ts';
import { CommandError, EXIT_PARSE, notImplemented, type Words, wrongArgument } from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Up to, and without, `peer`. */
export function netkitOptions(words: Words): NetkitOptions {
  const options: Mutable<NetkitOptions> = {};
  while (!words.empty && words.peek !== 'peer') {
    const policy = netkitPolicy(words);
    if (policy !== undefined) {
      options.policy = policy;
      continue;
    }
    const word = words.next();
    if (word === 'mode') {
      const mode = words.next();
      if (mode !== 'l2' && mode !== 'l3') throw wrongArgument('Error: invalid mode\n', mode);
      options.mode = mode;
    } else if (word === 'scrub' || word === 'headroom' || word === 'tailroom')
      throw notImplemented(
        `type netkit ${word}`,
        'the words are mode, forward, blackhole and peer',
      );
    else throw new CommandError(`Error: unrecognized netkit option "${word}"`, EXIT_PARSE);
  }
  return options;
}

/** A policy, if that is the next word. */
export function netkitPolicy(words: Words): 'forward' | 'blackhole' | undefined {
  if (words.take('forward')) return 'forward';
  return words.take('blackhole') ? 'blackhole' : undefined;
}
