/** What the objects of `bridge` have in common. */
import type { ToolContext } from '../core/control/ip/ip.ts';
import { nearestOf } from '../core/control/ip/nearest.ts';
import { CommandError, EXIT_USAGE, noDevice, parseUnsigned } from '../core/control/ip/words.ts';

/** `Command "x" is unknown …` of one object, and the command that was probably meant. */
export function unknownBridgeCommand(
  word: string,
  object: string,
  commands: readonly string[],
): CommandError {
  return new CommandError(
    `Command "${word}" is unknown, try "bridge ${object} help".\nDid you mean "bridge ${object} ${nearestOf(word, commands)}"?`,
    EXIT_USAGE,
  );
}

/** Throws `Cannot find device "x"`. */
export function needDevice(ctx: ToolContext, name: string): void {
  if (!ctx.ns.link.has(name)) throw noDevice(name);
}

/** iproute2's `atoi`: what is no number is 0. */
export function looseNumber(word: string): number {
  return parseUnsigned(word) ?? 0;
}

/** A VLAN id of `bridge fdb` and `bridge mdb`. */
export function vidWord(word: string): number {
  const vid = looseNumber(word);
  if (vid > 4095) throw new CommandError('Error: invalid vlan id.', EXIT_USAGE);
  return vid;
}
