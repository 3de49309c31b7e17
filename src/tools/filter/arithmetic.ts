/** Numbers in a filter: bytes of headers, the length, constants, and C's operators on 32 bits. */
import { both, type Frame, type Test } from './frame.ts';
import type { Primitives } from './primitives.ts';
import { FilterError } from './scan.ts';

export interface Arithmetic {
  readonly value: (f: Frame) => number;
  /** What a packet must be for the number to exist. */
  readonly needs: Test | undefined;
  /** A constant. */
  readonly constant: number | undefined;
}

export function constant(value: number): Arithmetic {
  return { value: () => value, needs: undefined, constant: value };
}

export const frameLength: Arithmetic = {
  value: (f) => f.len,
  needs: undefined,
  constant: undefined,
};

function needing(a: Test | undefined, b: Test | undefined): Test | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return both(a, b);
}

/** `proto[index:size]` */
export function access(
  primitives: Primitives,
  proto: string,
  index: Arithmetic,
  size: number,
): Arithmetic {
  const { tags } = primitives;
  const make = (
    base: (f: Frame) => number,
    needs: Test | undefined,
    header: (f: Frame) => number = () => 0,
  ): Arithmetic => ({
    // BPF adds the index in 32 bits to the length of a header, and where that begins beyond them.
    value: (f) => f.load(base(f) + ((header(f) + index.value(f)) >>> 0), size),
    needs: needing(index.needs, needs),
    constant: undefined,
  });
  switch (proto) {
    case 'ether':
    case 'link':
      return make(
        () => 0,
        (f) => f.ethernet,
      );
    case 'icmp6':
      return make(
        (f) => f.network(tags) + 40,
        both(primitives.word('ip6'), (f) => f.load(f.network(tags) + 6, 1) === 58),
      );
    case 'tcp':
    case 'udp':
    case 'icmp':
    case 'igmp':
    case 'igrp':
    case 'sctp':
    case 'pim':
    case 'vrrp':
    case 'carp':
      // LINUX: libpcap looks behind the header of IPv4 only.
      return make(
        (f) => f.network(tags),
        both(both(primitives.word('ip'), primitives.word(proto)), primitives.firstFragment),
        (f) => 4 * (f.load(f.network(tags), 1) & 15),
      );
    default:
      return make((f) => f.network(tags), primitives.word(proto));
  }
}

type Operation = (a: number, b: number, f: Frame) => number;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  '+': (a, b) => (a + b) >>> 0,
  '-': (a, b) => (a - b) >>> 0,
  '*': (a, b) => Math.imul(a, b) >>> 0,
  '/': (a, b, f) => (b === 0 ? divided(f) : Math.floor(a / b)),
  '%': (a, b, f) => (b === 0 ? divided(f) : a % b),
  '&': (a, b) => (a & b) >>> 0,
  '|': (a, b) => (a | b) >>> 0,
  '^': (a, b) => (a ^ b) >>> 0,
  '<<': (a, b) => (b > 31 ? 0 : (a << b) >>> 0),
  '>>': (a, b) => (b > 31 ? 0 : a >>> b),
};

function divided(f: Frame): number {
  f.bad = true;
  return 0;
}

export function binary(op: string, a: Arithmetic, b: Arithmetic, at: number): Arithmetic {
  const compute = OPERATIONS[op] as Operation;
  if ((op === '/' || op === '%') && b.constant === 0)
    throw new FilterError(op === '/' ? 'division by zero' : 'modulus by zero', at);
  if ((op === '<<' || op === '>>') && b.constant !== undefined && b.constant > 31)
    throw new FilterError('a shift by more than 31 bits leaves nothing', at);
  return {
    value: (f) => compute(a.value(f), b.value(f), f),
    // LINUX: what the right side needs is not asked for (`gen_arth` returns its left argument).
    needs: a.needs,
    constant: undefined,
  };
}

export function negative(a: Arithmetic): Arithmetic {
  return { value: (f) => -a.value(f) >>> 0, needs: a.needs, constant: undefined };
}

const RELATIONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
};

export function isRelation(op: string): boolean {
  return Object.hasOwn(RELATIONS, op);
}

export function relation(op: string, a: Arithmetic, b: Arithmetic): Test {
  const compare = RELATIONS[op] as (a: number, b: number) => boolean;
  const holds: Test = (f) => compare(a.value(f), b.value(f)) && !f.bad;
  const needs = needing(a.needs, b.needs);
  return needs === undefined ? holds : both(needs, holds);
}
