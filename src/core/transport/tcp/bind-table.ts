/** Local ports in use, and by whom (Linux `inet_bind_hashbucket`, `inet_bind_bucket`). */

import { SmallMap } from '../../util/small-map.ts';
import type { TcpSock } from './sock.ts';
import type { TimeWaitSock } from './time-wait-sock.ts';

export type BindOwner = TcpSock | TimeWaitSock;

export class BindBucket {
  readonly port: number;
  readonly owners: Set<BindOwner> = new Set();
  /**
   * Some owner came by bind(): connect() leaves the port alone. False: all came by connect(), which
   * may share the port among different destinations (`fastreuse == -1`).
   */
  explicit = false;

  constructor(port: number) {
    this.port = port;
  }
}

export class BindTable {
  private readonly buckets: SmallMap<number, BindBucket> = new SmallMap();

  get(port: number): BindBucket | undefined {
    return this.buckets.get(port);
  }

  /** The bucket of `port`, made if need be; an empty one forgets how it was used. */
  obtain(port: number): BindBucket {
    let b = this.buckets.get(port);
    if (b === undefined) {
      b = new BindBucket(port);
      this.buckets.set(port, b);
    }
    return b;
  }

  add(bucket: BindBucket, owner: BindOwner): void {
    bucket.owners.add(owner);
    owner.bindBucket = bucket;
  }

  /** Linux `inet_put_port` */
  remove(owner: BindOwner): void {
    const b = owner.bindBucket;
    if (b === null) return;
    owner.bindBucket = null;
    b.owners.delete(owner);
    if (b.owners.size === 0) this.buckets.delete(b.port);
  }

  clear(): void {
    this.buckets.clear();
  }
}
