/**
 * `node --import warren/netns program.js`: runs a program, unmodified, in a namespace made on the spot, as on
 * a machine with nobody else in its network: `lo`, a device `eth0` with addresses, and behind that a router
 * that knows no way out. Programs that it starts, and its worker threads, are in the same namespace.
 *
 * A program that is in a namespace already (`register.ts`) stays there.
 */
import './register.ts';
import { takeBindings } from './bindings.ts';

takeBindings();
const { currentNet } = await import('./current.ts');
const { isolate } = await import('./join.ts');
if (currentNet() === undefined) isolate(process.env['WARREN_NETNS'] || 'netns', { router: true });
