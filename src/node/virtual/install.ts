/** Installs what virtual time replaces in Node: once, when the first virtual host is made. */
import { syncBuiltinESMExports } from 'node:module';
import { setLater } from '../loop.ts';
import { currentHost } from './host.ts';
import { patchClock } from './patch-clock.ts';
import { patchIdle } from './patch-idle.ts';
import { patchRandom } from './patch-random.ts';
import { patchTimers } from './patch-timers.ts';
import { patchWork } from './patch-work.ts';
import { VirtualImmediate } from './timer.ts';

/** Captured before it is replaced. */
const { setImmediate } = globalThis;

let installed = false;

export function installVirtual(): void {
  if (installed) return;
  installed = true;
  patchTimers();
  patchClock();
  patchRandom();
  patchWork();
  patchIdle();
  setLater((fn) => {
    const host = currentHost();
    if (host === undefined) setImmediate(fn);
    else new VirtualImmediate(host, fn, []);
  });
  syncBuiltinESMExports();
}
