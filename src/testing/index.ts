/** Tests of networked programs in virtual time: `warren/test`. Adapters for test runners stand beside it. */
export type { Duration } from '../lab/duration.ts';
export { Host, HostCrashed, type HostOptions } from './host.ts';
export { InvariantError } from './invariants.ts';
export type { FaultKind, NemesisOptions } from './nemesis.ts';
export {
  createNet,
  type HostName,
  type LanOptions,
  type Moment,
  Net,
  type NetOptions,
  type PlannedFault,
} from './net.ts';
export {
  checkRepeats,
  type NetBody,
  type NetContext,
  NetTestError,
  type Outcome,
  type RunOptions,
  runNetTest,
  runOnce,
} from './run.ts';
export { Segment } from './segment.ts';
export { type SeedResult, type SweepOptions, sweep } from './sweep.ts';
export type { PacketCount } from './wire-watch.ts';
