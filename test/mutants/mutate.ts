/**
 * Mutants of a packetdrill script: each differs from it in one small thing. `expectation`: it changed what the
 * script wants to see, and must fail. `stimulus`: it changed what the script does; it must fail if anything that
 * the script looks at came out differently.
 */
import type {
  CallAction,
  PacketAction,
  Script,
  ScriptEvent,
  TcpOption,
  TcpSpec,
  Value,
} from '../../src/sim/packetdrill/script.ts';

export interface Mutant {
  readonly kind: 'expectation' | 'stimulus';
  readonly what: string;
  readonly script: Script;
  /** Index of the event that went away; -1: none. */
  readonly dropped: number;
}

/** Beyond every tolerance, which grows with the time. */
const SHIFT_US = 150_000;
const SHIFT_PART = 0.3;
const SYN = 2;

export function mutantsOf(script: Script): Mutant[] {
  const out: Mutant[] = [];
  const { events } = script;
  events.forEach((event, i) => {
    const put = (kind: Mutant['kind'], what: string, changed: ScriptEvent): void => {
      const list = events.map((e, j) => (j === i ? changed : e));
      const name = `${event.position.line}: ${what}`;
      out.push({ kind, what: name, script: { ...script, events: list }, dropped: -1 });
    };
    const { action } = event;
    if (action.kind === 'packet') packetMutants(event, action, put);
    if (action.kind === 'call') callMutants(event, action, put);
    if (action.kind === 'code') codeMutants(event, put);
    if (event.at.kind !== 'any') timeMutants(event, put);
    lineMutants(script, i, out);
  });
  return out;
}

type Put = (kind: Mutant['kind'], what: string, changed: ScriptEvent) => void;

function packetMutants(event: ScriptEvent, action: PacketAction, put: Put): void {
  const kind = action.direction === 'out' ? 'expectation' : 'stimulus';
  const change = (what: string, part: Partial<PacketAction>): void => {
    put(kind, what, { ...event, action: { ...action, ...part } });
  };
  const { body } = action;
  if (body.proto === 'udp') {
    change('udp length + 1', { body: { ...body, len: body.len + 1 } });
    return;
  }
  if (body.proto === 'icmp') {
    // A number that no name has any more.
    change('icmp code', {
      body: { ...body, code: body.code + 1, name: `${body.type} ${body.code + 1}` },
    });
    if (body.mtu !== null) change('mtu + 8', { body: { ...body, mtu: body.mtu + 8 } });
    return;
  }
  const tcp = (what: string, part: Partial<TcpSpec>): void => {
    change(what, { body: { ...body, ...part } });
  };
  // What a SYN is called is what the others are counted from: another name for the same thing.
  const isNamed = action.direction === 'out' && (body.flags & SYN) !== 0;
  if (!isNamed) {
    tcp('seq + 1', { seq: (body.seq + 1) >>> 0 });
    tcp('seq - 1', { seq: (body.seq - 1) >>> 0 });
  }
  tcp('length + 1', { len: body.len + 1 });
  if (body.len > 0) tcp('length - 1', { len: body.len - 1 });
  for (const bit of [1, 2, 4, 8, 16, 32, 64, 128]) tcp(`flag ${bit}`, { flags: body.flags ^ bit });
  if (body.ack !== null) {
    tcp('ack + 1', { ack: (body.ack + 1) >>> 0 });
    tcp('ack - 1', { ack: (body.ack - 1) >>> 0 });
  }
  if (body.win !== null) {
    tcp('win + 1', { win: (body.win + 1) & 0xffff });
    tcp('win 0', { win: body.win === 0 ? 1 : 0 });
  }
  tcp('urg', { urg: (body.urg ?? 0) + 1 });
  optionMutants(body, action.direction, tcp);
}

function optionMutants(
  body: TcpSpec,
  direction: 'in' | 'out',
  tcp: (what: string, part: Partial<TcpSpec>) => void,
): void {
  const { options } = body;
  if (options === null) return;
  options.forEach((o, i) => {
    const replace = (what: string, by: readonly TcpOption[]): void =>
      tcp(`option ${o.kind} ${what}`, {
        options: [...options.slice(0, i), ...by, ...options.slice(i + 1)],
      });
    // Trailing end-of-options is padding.
    if (o.kind !== 'eol') replace('dropped', []);
    if (o.kind === 'mss' || o.kind === 'wscale') replace('+ 1', [{ ...o, value: o.value + 1 }]);
    if (o.kind === 'TS') {
      replace('ecr + 1', [{ ...o, ecr: (o.ecr + 1) >>> 0 }]);
      if (direction === 'in') replace('val + 1', [{ ...o, val: (o.val + 1) >>> 0 }]);
    }
    if (o.kind === 'sack') {
      const [first, ...rest] = o.blocks;
      if (first !== undefined) {
        replace('left + 1', [{ ...o, blocks: [[first[0] + 1, first[1]], ...rest] }]);
        replace('right - 1', [{ ...o, blocks: [[first[0], first[1] - 1], ...rest] }]);
      }
      if (rest.length > 0) replace('turned', [{ ...o, blocks: [...o.blocks].reverse() }]);
    }
    const next = options[i + 1];
    if (next !== undefined && next.kind !== o.kind)
      tcp('options swapped', {
        options: [...options.slice(0, i), next, o, ...options.slice(i + 2)],
      });
  });
  if (options.length < 8) tcp('option nop added', { options: [{ kind: 'nop' }, ...options] });
}

function callMutants(event: ScriptEvent, action: CallAction, put: Put): void {
  const { result, errno, position } = { ...action, position: event.position };
  const givesFd = /^(?:socket|accept4?|epoll_create1?|open)$/.test(action.name);
  const change = (kind: Mutant['kind'], what: string, part: Partial<CallAction>): void => {
    put(kind, what, { ...event, action: { ...action, ...part } });
  };
  if (result.kind === 'int') {
    const by = (value: number): Value => ({ kind: 'int', value, position });
    // A descriptor is a name: another one matters if it is used.
    const kind = givesFd && result.value >= 0 ? 'stimulus' : 'expectation';
    if (errno === null) change(kind, 'result + 1', { result: by(result.value + 1) });
    if (result.value >= 0) change('expectation', 'result -1', { result: by(-1) });
    else change('expectation', 'result 0', { result: by(0), errno: null });
  }
  if (errno !== null)
    change('expectation', 'errno', { errno: errno === 'EINVAL' ? 'EAGAIN' : 'EINVAL' });
  if (action.endUs !== null) {
    change('expectation', 'end later', { endUs: action.endUs + SHIFT_US });
    if (action.endUs > SHIFT_US + event.at.us)
      change('expectation', 'end earlier', { endUs: action.endUs - SHIFT_US });
  }
  const checks = /^(?:getsockopt|ioctl|poll|epoll_wait|getsockname|getpeername)$/.test(action.name);
  action.args.forEach((arg, i) => {
    const isExpected = checks && isExpectedArgument(action.name, i, result);
    for (const [what, value] of valueMutants(arg)) {
      const args = action.args.map((a, j) => (j === i ? value : a));
      change(isExpected ? 'expectation' : 'stimulus', `argument ${i + 1} ${what}`, { args });
    }
  });
}

/** Arguments that the call fills in. */
function isExpectedArgument(name: string, i: number, result: Value): boolean {
  if (result.kind === 'int' && result.value < 0) return false;
  if (name === 'getsockopt') return i === 3;
  if (name === 'ioctl') return i === 2;
  return false;
}

function valueMutants(value: Value): (readonly [string, Value])[] {
  if (value.kind === 'int') return [['+ 1', { ...value, value: value.value + 1 }]];
  if (value.kind === 'list' && value.items.length === 1) {
    const inner = valueMutants(value.items[0] as Value);
    return inner.map(([what, v]) => [what, { ...value, items: [v] }] as const);
  }
  if (value.kind !== 'struct') return [];
  return value.fields.flatMap((f, i) =>
    valueMutants(f.value).map(([what, v]) => {
      const fields = value.fields.map((g, j) => (j === i ? { ...g, value: v } : g));
      return [`${f.name ?? i} ${what}`, { ...value, fields }] as const;
    }),
  );
}

/** `== 10` becomes `== 11`. */
function codeMutants(event: ScriptEvent, put: Put): void {
  if (event.action.kind !== 'code') return;
  const { action } = event;
  for (const m of action.code.matchAll(/(assert[^\n]*== *)(\d+)/g)) {
    const at = m.index + (m[1] as string).length;
    const rest = action.code.slice(at + (m[2] as string).length);
    const code = `${action.code.slice(0, at)}${Number(m[2]) + 1}${rest}`;
    put('expectation', `code ${m[0]} + 1`, { ...event, action: { ...action, code } });
  }
}

function timeMutants(event: ScriptEvent, put: Put): void {
  const { at, action } = event;
  const isOut = action.kind === 'packet' && action.direction === 'out';
  const kind = isOut ? 'expectation' : 'stimulus';
  const shift = (us: number): ScriptEvent => ({
    ...event,
    at: { ...at, us: at.us + us, endUs: at.endUs === null ? null : at.endUs + us },
  });
  if (action.kind === 'call' && action.endUs !== null) return;
  const us = Math.round(SHIFT_US + at.us * SHIFT_PART);
  put(kind, 'later', shift(us));
  if (at.us >= us) put(kind, 'earlier', shift(-us));
}

/** Lines that are missing, come twice, or in another order. */
function lineMutants(script: Script, i: number, out: Mutant[]): void {
  const { events } = script;
  const event = events[i] as ScriptEvent;
  const isOut = event.action.kind === 'packet' && event.action.direction === 'out';
  const put = (kind: Mutant['kind'], what: string, list: ScriptEvent[], dropped: number): void => {
    const name = `${event.position.line}: ${what}`;
    out.push({ kind, what: name, script: { ...script, events: atZero(list) }, dropped });
  };
  // After the last expected packet nothing is looked at: to leave it out asks less.
  const isLast = isOut && events.slice(i + 1).every((e) => isAtOnce(e));
  if (events.length > 1 && !isLast)
    put(isOut ? 'expectation' : 'stimulus', 'dropped', events.toSpliced(i, 1), i);
  if (event.action.kind === 'packet')
    put(isOut ? 'expectation' : 'stimulus', 'twice', events.toSpliced(i, 0, event), -1);
  const next = events[i + 1];
  if (next !== undefined)
    put('stimulus', 'swapped with the next', events.toSpliced(i, 2, next, event), -1);
}

/** No time passes before it. */
function isAtOnce(e: ScriptEvent): boolean {
  const isOut = e.action.kind === 'packet' && e.action.direction === 'out';
  return e.at.kind === 'relative' && e.at.us === 0 && !isOut;
}

/** The first event is at 0. */
function atZero(events: ScriptEvent[]): ScriptEvent[] {
  const [first, ...rest] = events;
  if (first === undefined) return events;
  return [{ ...first, at: { kind: 'absolute', us: 0, endUs: null } }, ...rest];
}
