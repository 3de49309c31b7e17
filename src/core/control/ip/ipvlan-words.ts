/** `type ipvlan [mode l2|l3|l3s] [bridge|private|vepa]` (iproute2 `ip/iplink_ipvlan.c`). */
import type { IpvlanOptions } from '../kinds/ipvlan.ts';
import { CommandError, EXIT_PARSE, type Words } from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function ipvlanOptions(words: Words): IpvlanOptions {
  const options: Mutable<IpvlanOptions> = {};
  while (!words.empty) {
    const word = words.next();
    if (word === 'mode') {
      const mode = words.next();
      if (mode !== 'l2' && mode !== 'l3' && mode !== 'l3s')
        throw new CommandError(
          'Error: argument of "mode" must be either "l2", "l3" or "l3s"',
          EXIT_PARSE,
        );
      options.mode = mode;
    } else if (word === 'private' || word === 'vepa' || word === 'bridge') options.flag = word;
    else throw new CommandError(`ipvlan: unknown option "${word}"?`, EXIT_PARSE);
  }
  return options;
}
