/**
 * Controls as those have them who are inside a namespace: reading is free, changing needs CAP_NET_ADMIN (E14;
 * Linux `rtnetlink_rcv_msg`, `netlink_net_capable`).
 */

/** Names of the methods that change something. */
export type Changes<T> = readonly (keyof T & string)[];

/** `control` itself when `check` is null; otherwise one whose changes call `check` first, which may throw. */
export function guarded<T extends object>(
  control: T,
  changes: Changes<T>,
  check: ((method: string, args: readonly unknown[]) => void) | null,
): T {
  if (check === null) return control;
  const face = Object.create(control) as T;
  for (const name of changes) {
    const method = control[name] as (...args: unknown[]) => unknown;
    const checked = (...args: unknown[]): unknown => {
      check(name, args);
      return method.apply(control, args);
    };
    Object.defineProperty(face, name, { value: checked });
  }
  return face;
}
