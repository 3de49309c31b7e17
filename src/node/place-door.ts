/**
 * Where the programs and threads that a namespace's programs start find it: a unix domain socket for each
 * namespace of this process. Who connects is told the path of a place of its own (`remote-server.ts`).
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NetNs } from '../core/net.ts';
import { withNet } from './current.ts';
import { offerPlace } from './remote-server.ts';
import { remoteCalls } from './system-calls.ts';

const doors: WeakMap<NetNs, string> = new WeakMap();
let folder: string | undefined;
let count = 0;

/** Path of the door of `net`, which is open from the first call on. */
export function doorOf(net: NetNs): string {
  const known = doors.get(net);
  if (known !== undefined) return known;
  folder ??= makeFolder();
  const path = join(folder, `door-${++count}`);
  const server = withNet(null, () =>
    createServer((visitor) => {
      visitor.unref();
      visitor.on('error', () => {});
      const place = join(folder as string, `place-${++count}`);
      offerPlace(net, place, doorOf).then(
        () => visitor.end(place),
        () => visitor.destroy(),
      );
    }),
  );
  // Outside a cluster or with `exclusive` it listens when this returns.
  withNet(null, () => server.listen({ path, exclusive: true }));
  chmodSync(path, 0o600);
  server.unref();
  doors.set(net, path);
  return path;
}

function makeFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'warren-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Where programs that a program in `net` starts find it; that of a remote one is its holder's. */
export function doorPath(net: NetNs): string {
  return remoteCalls(net)?.door() ?? doorOf(net);
}
