/**
 * Notifications of a namespace: what rtnetlink multicasts (`ip monitor`). Synchronous, in order.
 */

export type NetEventKind =
  | 'newlink'
  | 'dellink'
  | 'newaddr'
  | 'deladdr'
  | 'newroute'
  | 'delroute'
  | 'newneigh'
  | 'delneigh';

/** `subject` is the state object that changed: a NetDevice, an address, a route, a neighbour. */
export interface NetEvent {
  readonly kind: NetEventKind;
  readonly subject: unknown;
}

/** A list of listeners, called in the order of their subscription. */
export class EventSource {
  private readonly listeners: ((event: NetEvent) => void)[] = [];

  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: NetEvent) => void): () => void {
    this.listeners.push(listener);
    return () => {
      const i = this.listeners.indexOf(listener);
      if (i >= 0) this.listeners.splice(i, 1);
    };
  }

  emit(kind: NetEventKind, subject: unknown): void {
    for (const listener of this.listeners) listener({ kind, subject });
  }
}
