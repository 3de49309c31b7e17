/** What netem may be told: the parameters of tc-netem(8), in numbers. */

/** Shapes of the jitter other than uniform (the distribution tables of iproute2). */
export type NetemDistribution = 'uniform' | 'normal' | 'pareto' | 'paretonormal';

/** Probabilities are fractions of 1. */
export type NetemLoss =
  | { readonly model: 'random'; readonly probability: number; readonly correlation: number }
  /** Four-state Markov chain; good, lost alone, burst, lost in a burst. */
  | {
      readonly model: 'state';
      readonly p13: number;
      readonly p31: number;
      readonly p32: number;
      readonly p23: number;
      readonly p14: number;
    }
  /** Gilbert-Elliott: good to bad, bad to good, loss in bad (1-h), loss in good (1-k). */
  | {
      readonly model: 'gemodel';
      readonly p: number;
      readonly r: number;
      readonly lossBad: number;
      readonly lossGood: number;
    };

/** A probability with the correlation of successive decisions, fractions of 1. */
export interface NetemChance {
  readonly probability: number;
  readonly correlation: number;
}

export interface NetemOptions {
  /** Packets that may be on their way. */
  readonly limit: number;
  /** Microseconds, with fractions. */
  readonly delayUs: number;
  readonly jitterUs: number;
  /** Fraction of 1. */
  readonly delayCorrelation: number;
  readonly distribution: NetemDistribution;
  /** Null: none is lost. */
  readonly loss: NetemLoss | null;
  /** Mark packets that are capable of ECN instead of losing them. */
  readonly ecn: boolean;
  readonly duplicate: NetemChance;
  readonly corrupt: NetemChance;
  /** Chance that a packet at a gap overtakes the queue. */
  readonly reorder: NetemChance;
  /** Only each `gap`th packet may; 0: no reordering. */
  readonly gap: number;
  /** Bytes per second; 0: no limit. */
  readonly rate: number;
  /** Bytes added to each packet's length for `rate`; may be negative. */
  readonly packetOverhead: number;
  /** Bytes of payload per cell; 0: none. */
  readonly cellSize: number;
  /** Bytes added to each cell. */
  readonly cellOverhead: number;
}

const NEVER: NetemChance = { probability: 0, correlation: 0 };

/** `netem` without parameters: a queue of 1000 packets that delays nothing. */
export const NETEM_DEFAULTS: Readonly<NetemOptions> = {
  limit: 1000,
  delayUs: 0,
  jitterUs: 0,
  delayCorrelation: 0,
  distribution: 'uniform',
  loss: null,
  ecn: false,
  duplicate: NEVER,
  corrupt: NEVER,
  reorder: NEVER,
  gap: 0,
  rate: 0,
  packetOverhead: 0,
  cellSize: 0,
  cellOverhead: 0,
};
