/**
 * The same commands in two worlds: real namespaces of this machine's kernel (`linux-world.ts`), and
 * Warren in virtual time (`warren-world.ts`).
 */

/** What a command gave. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/**
 * A command line begins with the name of its namespace: `A ip addr add …`, `A ping …`,
 * `A sysctl …`, `A bridge …`; and ours: `A tcp-listen ADDR PORT`, `A tcp-connect ADDR PORT SECONDS`,
 * `A tcp-resetter ADDR PORT` (reads a byte of each connection and resets it), `A tcp-ask ADDR PORT
 * SECONDS` (writes a byte and reads), `A udp-ask ADDR PORT`, which print `ok` or the name of an errno.
 * `A icmp6-send DEV DST TYPE WORDS` sends a message of neighbour discovery (`icmp6-words.ts`).
 * `A monitor-start WORDS` starts `ip WORDS`, and `A monitor-stop` prints what it saw. `wait SECONDS` waits.
 */
export interface World {
  /** @param ipv6 the namespace has IPv6; otherwise it would put packets of its own into what is compared */
  add(name: string, ipv6: boolean): Promise<void>;
  run(line: string): Promise<Outcome>;
  close(): Promise<void>;
}

/** Splits at white space; quotes keep words together. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2] ?? '');
}
