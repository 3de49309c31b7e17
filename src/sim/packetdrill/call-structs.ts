/** Structures in arguments: iovec, msghdr with its control messages, pollfd, epoll_event. */
import { compareControl, controlBytes } from './control-words.ts';
import type { Value } from './script.ts';
import type { Address, ControlMessage } from './target.ts';
import type { Words } from './values.ts';

export interface Part {
  readonly base: Value;
  readonly len: number;
}

/** `[{..., 1000}, {"text", 4}]` */
export function iovecs(words: Words, value: Value): Part[] {
  if (value.kind !== 'list') return words.fail(value.position, 'an iovec is a list');
  return value.items.map((item) => {
    const s = words.structure(item, 'an iovec');
    words.onlyFields(s, 'an iovec', ['iov_base', 'iov_len']);
    const base = words.field(s, 0, 'iov_base');
    const len = words.field(s, 1, 'iov_len');
    if (base === undefined || len === undefined)
      return words.fail(s.position, 'an iovec has a buffer and a length');
    return { base, len: words.number(len, 'a length') };
  });
}

export interface MessageHeader {
  /** Null: `...`, nothing, or a null pointer. */
  readonly name: Address | null;
  readonly iov: readonly Part[];
  /** Null: no room for control messages. */
  readonly control: readonly ControlMessage[] | null;
  readonly flags: number | null;
  readonly checkControl: (seen: readonly ControlMessage[]) => string[];
}

const FIELDS: readonly string[] = [
  'msg_name',
  'msg_namelen',
  'msg_iov',
  'msg_iovlen',
  'msg_control',
  'msg_controllen',
  'msg_flags',
];

/** `{msg_name(...)=..., msg_iov(1)=[{..., 10}], msg_control=[…], msg_flags=0}` */
export function messageHeader(words: Words, value: Value): MessageHeader {
  const s = words.structure(value, 'a msghdr');
  words.onlyFields(s, 'a msghdr', FIELDS);
  const field = (name: string): Value | undefined => words.field(s, 100, name);
  const name = field('msg_name');
  const iov = field('msg_iov');
  const flags = field('msg_flags');
  const control = field('msg_control');
  const isAddress = name !== undefined && (name.kind === 'struct' || name.kind === 'list');
  const messages = control?.kind === 'list' ? control.items : null;
  if (control !== undefined && control.kind !== 'list' && control.kind !== 'any')
    words.fail(control.position, 'msg_control is a list');
  return {
    name: isAddress ? words.sockaddr(name) : null,
    iov: iov === undefined ? [] : iovecs(words, iov),
    flags: flags === undefined ? null : words.numberOrAny(flags, 'msg_flags'),
    control: messages?.map((m) => controlBytes(words, m)) ?? (control === undefined ? null : []),
    checkControl: (seen) => (messages === null ? [] : compareControl(words, messages, seen)),
  };
}

export interface PollWords {
  readonly fd: number;
  readonly events: number;
  readonly revents: number | null;
}

/** `[{fd=4, events=POLLIN, revents=POLLIN}]` */
export function pollFds(words: Words, value: Value): PollWords[] {
  const items = value.kind === 'list' ? value.items : [value];
  return items.map((item) => {
    const s = words.structure(item, 'a pollfd');
    words.onlyFields(s, 'a pollfd', ['fd', 'events', 'revents']);
    const fd = words.field(s, 0, 'fd');
    const events = words.field(s, 1, 'events');
    const revents = words.field(s, 2, 'revents');
    if (fd === undefined || events === undefined)
      return words.fail(s.position, 'a pollfd has "fd" and "events"');
    return {
      fd: words.number(fd, 'fd'),
      events: words.number(events, 'events'),
      revents: revents === undefined ? null : words.numberOrAny(revents, 'revents'),
    };
  });
}

/** `{events=EPOLLIN, fd=4}`; data is the number of the script, kept as it is. */
export function epollEvent(
  words: Words,
  value: Value,
): { readonly events: number | null; readonly data: number | null } {
  const s = words.structure(value, 'an epoll_event');
  words.onlyFields(s, 'an epoll_event', ['events', 'fd', 'ptr', 'u32', 'u64', 'data']);
  const events = words.field(s, 0, 'events');
  const data = words.field(s, 1, 'fd', 'ptr', 'u32', 'u64', 'data');
  if (data?.kind === 'struct') {
    const inner = words.field(data, 0, 'fd', 'ptr', 'u32', 'u64');
    return {
      events: events === undefined ? null : words.numberOrAny(events, 'events'),
      data: inner === undefined ? null : words.numberOrAny(inner, 'data'),
    };
  }
  return {
    events: events === undefined ? null : words.numberOrAny(events, 'events'),
    data: data === undefined ? null : words.numberOrAny(data, 'data'),
  };
}
