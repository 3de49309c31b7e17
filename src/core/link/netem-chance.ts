/** The random parts of netem: correlated numbers, jitter, loss models (Linux `net/sched/sch_netem.c`). */
import type { Random } from '../util/random.ts';
import type { NetemChance, NetemDistribution, NetemLoss } from './netem-options.ts';

/** Uniform numbers, each a mix of a new one and the one before (Linux `get_crandom`). */
export class CorrelatedRandom {
  private readonly random: Random;
  private readonly correlation: number;
  private last: number;

  /** @param correlation weight of the number before, 0 to 1 */
  constructor(random: Random, correlation: number) {
    this.random = random;
    this.correlation = correlation;
    this.last = random.float();
  }

  /** In [0, 1). */
  next(): number {
    const value = this.random.float();
    if (this.correlation === 0) return value;
    this.last = value * (1 - this.correlation) + this.last * this.correlation;
    return this.last;
  }
}

/** A yes or no with a probability. */
export class Chance {
  private readonly probability: number;
  private readonly numbers: CorrelatedRandom;

  constructor(random: Random, chance: NetemChance) {
    this.probability = chance.probability;
    this.numbers = new CorrelatedRandom(random, chance.correlation);
  }

  next(): boolean {
    return this.probability > 0 && this.probability >= this.numbers.next();
  }
}

/** Ends of the tables of iproute2, in standard deviations. */
const DISTRIBUTION_MAX = 4;
/** Exponent of the Pareto distribution of iproute2. */
const PARETO_EXPONENT = 3;

/**
 * Value of a distribution, in units of the jitter, at quantile `q` in [0, 1).
 * DEVIATION: Linux indexes a table, or takes a remainder, with the low bits of its random number, which
 * undoes the correlation that was asked for; here the number is the quantile. Without correlation the
 * distributions are the same.
 */
export function jitterAt(distribution: NetemDistribution, q: number): number {
  switch (distribution) {
    case 'uniform':
      return 2 * q - 1;
    case 'normal':
      return normalAt(q);
    case 'pareto':
      return paretoAt(q);
    case 'paretonormal':
      return normalAt(q) / 4 + (paretoAt(q) * 3) / 4;
  }
}

/** Pareto with its mean, 1.5, moved to 0 and scaled as the tables of iproute2 are; cut off at 4. */
function paretoAt(q: number): number {
  const x = (1 - q) ** (-1 / PARETO_EXPONENT);
  return Math.min(((x - 1.5) * 4) / 3, DISTRIBUTION_MAX);
}

function normalAt(q: number): number {
  return Math.max(-DISTRIBUTION_MAX, Math.min(normalQuantile(q), DISTRIBUTION_MAX));
}

/** Abramowitz and Stegun 26.2.23: the error is below 4.5e-4. */
function normalQuantile(q: number): number {
  const tail = q < 0.5 ? q : 1 - q;
  if (tail <= 0) return q < 0.5 ? -DISTRIBUTION_MAX : DISTRIBUTION_MAX;
  const t = Math.sqrt(-2 * Math.log(tail));
  const above = 2.515517 + t * (0.802853 + t * 0.010328);
  const below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
  const x = t - above / below;
  return q < 0.5 ? -x : x;
}

/** States of the four-state model and of Gilbert-Elliott. */
const GAP = 0;
const BURST = 1;
const LOST_IN_BURST = 2;
const LOST_IN_GAP = 3;

/** Decides about each packet in turn (Linux `loss_event`). */
export class LossModel {
  private readonly loss: NetemLoss;
  private readonly random: Random;
  private readonly chance: Chance;
  private state = GAP;

  constructor(random: Random, loss: NetemLoss) {
    this.loss = loss;
    this.random = random;
    const never = { probability: 0, correlation: 0 };
    this.chance = new Chance(random, loss.model === 'random' ? loss : never);
  }

  /** True: the next packet is lost. */
  next(): boolean {
    const loss = this.loss;
    if (loss.model === 'random') return this.chance.next();
    const x = this.random.float();
    if (loss.model === 'state') return this.nextState(x, loss);
    // Gilbert-Elliott: one number decides about the change of state and about the loss.
    if (this.state === GAP) {
      if (x < loss.p) this.state = BURST;
      return x < loss.lossGood;
    }
    if (x < loss.r) this.state = GAP;
    return x > 1 - loss.lossBad;
  }

  /** Salsano et al., "Definition of a general and intuitive loss model" (Linux `loss_4state`). */
  private nextState(x: number, p: Extract<NetemLoss, { model: 'state' }>): boolean {
    switch (this.state) {
      case GAP:
        if (x < p.p14) this.state = LOST_IN_GAP;
        else if (x < p.p13 + p.p14) this.state = LOST_IN_BURST;
        return this.state !== GAP;
      case BURST:
        if (x < p.p23) this.state = LOST_IN_BURST;
        return this.state === LOST_IN_BURST;
      case LOST_IN_BURST:
        if (x < p.p32) this.state = BURST;
        else if (x < p.p31 + p.p32) this.state = GAP;
        return this.state === LOST_IN_BURST;
      default:
        this.state = GAP;
        return false;
    }
  }
}
