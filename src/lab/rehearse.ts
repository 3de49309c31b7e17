/**
 * Tries out what only the stack can judge, before anything is started: the sysctls and routes of each node,
 * in a namespace like the one that it will have. And whether the files are there that programs begin with.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Kernel } from '../core/control/kernel.ts';
import { tunAdd } from '../core/device/tun.ts';
import { formatIpv4 } from '../core/util/address.ts';
import { VirtualClock } from '../sim/virtual-clock.ts';
import type { LabSource } from './file.ts';
import { type LabPlan, listOf, type PlannedNode } from './plan.ts';
import { isScript, programOf } from './program-words.ts';

/** Throws `LabError` with the line of what cannot be. `dir`: folder of the lab file. */
export function rehearse(plan: LabPlan, source: LabSource, dir: string): void {
  const kernel = new Kernel({ env: new VirtualClock(1), seed: 1 });
  for (const node of plan.nodes) {
    checkFiles(node, source, dir);
    if (node.spec.sysctl !== undefined || node.spec.routes !== undefined)
      configure(kernel, node, source);
  }
}

function checkFiles({ key, spec }: PlannedNode, source: LabSource, dir: string): void {
  const { module, run } = spec;
  if (module !== undefined && !existsSync(resolve(dir, module)))
    source.fail(['nodes', key, 'module'], `there is no file "${module}" beside the lab file`);
  const script = run === undefined ? undefined : programOf(run)?.[0];
  if (script !== undefined && isScript(script) && !existsSync(resolve(dir, script)))
    source.fail(['nodes', key, 'run'], `there is no file "${script}" beside the lab file`);
}

function configure(kernel: Kernel, node: PlannedNode, source: LabSource): void {
  const ns = kernel.netns.add(null);
  for (const [name, value] of Object.entries(node.spec.sysctl ?? {}))
    attempt(source, ['nodes', node.key, 'sysctl', name], () => ns.sysctl.set(name, `${value}`));
  ns.link.set('lo', { up: true });
  for (const planned of node.interfaces) {
    tunAdd(ns.net, planned.name, { mode: 'tap' });
    ns.addr.add({
      local: `${formatIpv4(planned.address)}/${planned.prefixLen}`,
      dev: planned.name,
      broadcast: '+',
    });
    ns.link.set(planned.name, { up: true });
  }
  const own = listOf(node.spec.routes);
  const derived = node.routes.slice(0, node.routes.length - own.length);
  for (const route of derived) ns.ip(`route add ${route}`);
  for (const route of own)
    attempt(source, ['nodes', node.key, 'routes'], () => ns.ip(`route add ${route}`), route);
  ns.destroy();
}

function attempt(
  source: LabSource,
  path: readonly string[],
  action: () => unknown,
  words?: string,
): void {
  try {
    action();
  } catch (error) {
    const { detail, message } = error as Error & { detail?: string };
    const why = (detail ?? message).split('\n').join(' ').trim();
    source.fail(path, `${path.join('.')}: ${words === undefined ? '' : `"${words}": `}${why}`);
  }
}
