/** `bridge monitor` (iproute2 `bridge/monitor.c`): what happens to bridges, printed as it happens. */
import { failure, type ToolContext } from '../core/control/ip/ip.ts';
import { abbreviates, CommandError, EXIT_USAGE, Words } from '../core/control/ip/words.ts';
import type { WatchEvent } from '../core/control/watch.ts';
import { type BridgeOptions, parseBridge } from './bridge.ts';
import { fdbEntry } from './bridge-fdb.ts';
import { portEntry } from './bridge-link.ts';
import { mdbText } from './bridge-mdb.ts';
import { vlanEntry } from './bridge-vlan.ts';
import type { MonitorOutcome } from './monitor.ts';

type Group = 'link' | 'fdb' | 'mdb' | 'vlan';

const GROUPS: readonly Group[] = ['link', 'fdb', 'mdb', 'vlan'];
const LABELS: Readonly<Record<Group, string>> = {
  link: '[LINK]',
  fdb: '[NEIGH]',
  mdb: '[MDB]',
  vlan: '[VLAN]',
};

/** Do these words of `bridge` ask for a monitor? */
export function isBridgeMonitor(ctx: ToolContext, argv: readonly string[]): boolean {
  try {
    const words = new Words(argv);
    parseBridge(ctx, words);
    return isMonitorWord(words);
  } catch {
    return false;
  }
}

/** A single m is mdb. */
function isMonitorWord(words: Words): boolean {
  return words.peek.length > 1 && abbreviates(words.peek, 'monitor');
}

/** Prints what happens, as `bridge monitor [all | OBJECT…]`; words before `monitor` are bridge's options. */
export function bridgeMonitor(
  ctx: ToolContext,
  argv: readonly string[],
  print: (text: string) => void,
): MonitorOutcome {
  try {
    const words = new Words(argv);
    const { options, ns } = parseBridge(ctx, words);
    if (isMonitorWord(words)) words.next();
    const wish = groupsOf(words);
    const stop = ns.kernel.watch((event) => {
      if (event.netns.net !== ns.net) return;
      const told = textOf(event, options);
      if (told === null || !wish.groups.has(told.group)) return;
      print((wish.label ? LABELS[told.group] : '') + told.text);
    });
    return { stop };
  } catch (e) {
    return failure(e, '');
  }
}

function groupsOf(words: Words): { readonly groups: Set<Group>; readonly label: boolean } {
  const groups = new Set<Group>();
  let label = false;
  while (!words.empty) {
    const word = words.next();
    const group = GROUPS.find((g) => abbreviates(word, g));
    if (word === 'all') label = true;
    else if (group !== undefined) groups.add(group);
    else
      throw new CommandError(
        `Argument "${word}" is unknown, try "bridge monitor help".`,
        EXIT_USAGE,
      );
  }
  return { groups: groups.size === 0 ? new Set(GROUPS) : groups, label };
}

function textOf(
  event: WatchEvent,
  options: BridgeOptions,
): { readonly group: Group; readonly text: string } | null {
  switch (event.kind) {
    case 'newbrport':
      return { group: 'link', text: portEntry(event.port, options).text };
    case 'newfdb':
    case 'delfdb': {
      const deleted = event.kind === 'delfdb' ? 'Deleted ' : '';
      return { group: 'fdb', text: deleted + fdbEntry(event.fdb, options, false).text };
    }
    case 'newmdb':
    case 'delmdb': {
      const deleted = event.kind === 'delmdb' ? 'Deleted ' : '';
      return { group: 'mdb', text: deleted + mdbText(event.mdb, options) };
    }
    case 'newvlan':
      return { group: 'vlan', text: vlanEntry(event.vlans, options).text };
    default:
      return null;
  }
}
