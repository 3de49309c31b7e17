/** Who makes a socket, and what they may do (Linux `struct cred`, capabilities(7)). */

export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly capNetAdmin: boolean;
  readonly capNetRaw: boolean;
  readonly capNetBindService: boolean;
}

/** Everything is allowed: the default. */
export const ROOT: Credentials = {
  uid: 0,
  gid: 0,
  capNetAdmin: true,
  capNetRaw: true,
  capNetBindService: true,
};

/** An ordinary user without capabilities. */
export function unprivileged(uid: number): Credentials {
  return { uid, gid: uid, capNetAdmin: false, capNetRaw: false, capNetBindService: false };
}
