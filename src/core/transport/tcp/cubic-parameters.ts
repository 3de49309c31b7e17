/**
 * What can be set of CUBIC: the parameters of Linux's module tcp_cubic, by its names. There they are the
 * machine's, here each namespace has its own.
 */
import { EINVAL, ENOENT, EPERM } from '../../errno.ts';

/** Bits of `hystartDetect`. */
export const HYSTART_ACK_TRAIN = 1;
export const HYSTART_DELAY = 2;

export interface CubicParameters {
  readonly fastConvergence: number;
  /** Window after a loss, in 1/1024: 717 / 1024 = 0.7 (RFC 9438 §4.6). */
  readonly beta: number;
  /** 0: from the route or unlimited. */
  readonly initialSsthresh: number;
  /** 10 × C, in 1/1024 (RFC 9438 §5.1); fixed, as in a module that is loaded. */
  readonly bicScale: number;
  readonly tcpFriendliness: number;
  readonly hystart: number;
  readonly hystartDetect: number;
  readonly hystartLowWindow: number;
  readonly hystartAckDeltaUs: number;
}

export const CUBIC_DEFAULTS: CubicParameters = {
  fastConvergence: 1,
  beta: 717,
  initialSsthresh: 0,
  bicScale: 41,
  tcpFriendliness: 1,
  hystart: 1,
  hystartDetect: HYSTART_ACK_TRAIN | HYSTART_DELAY,
  hystartLowWindow: 16,
  hystartAckDeltaUs: 2000,
};

const FIELDS: Readonly<Record<string, keyof CubicParameters>> = {
  fast_convergence: 'fastConvergence',
  beta: 'beta',
  initial_ssthresh: 'initialSsthresh',
  bic_scale: 'bicScale',
  tcp_friendliness: 'tcpFriendliness',
  hystart: 'hystart',
  hystart_detect: 'hystartDetect',
  hystart_low_window: 'hystartLowWindow',
  hystart_ack_delta_us: 'hystartAckDeltaUs',
};

/** A parameter by the module's name for it; `-ENOENT`: there is none. */
export function cubicParameter(from: CubicParameters, name: string): number {
  const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  return field === undefined ? -ENOENT : from[field];
}

/** The parameters with one of them changed, or `-errno`. */
export function withCubicParameter(
  from: CubicParameters,
  name: string,
  value: number,
): CubicParameters | number {
  const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (field === undefined) return -ENOENT;
  if (field === 'bicScale') return -EPERM;
  if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff) return -EINVAL;
  return { ...from, [field]: value };
}
