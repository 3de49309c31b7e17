/** The scripts, and where their recorded outcomes are, from the project's root. */
import { BRIDGE_SCENARIOS } from './bridge-scenarios.ts';
import type { Scenario } from './compare.ts';
import { DEVICE_SCENARIOS } from './device-scenarios.ts';
import { IPV6_SCENARIOS } from './ipv6-scenarios.ts';
import { NETNS_SCENARIOS } from './netns-scenarios.ts';
import { RA_SCENARIOS } from './ra-scenarios.ts';
import { SCENARIOS } from './scenarios.ts';

export interface Recording {
  readonly about: string;
  readonly file: string;
  readonly scenarios: readonly Scenario[];
}

export const RECORDINGS: readonly Recording[] = [
  { about: 'commands', file: 'test/data/linux-commands.json', scenarios: SCENARIOS },
  { about: 'namespaces', file: 'test/data/linux-netns.json', scenarios: NETNS_SCENARIOS },
  { about: 'IPv6', file: 'test/data/linux-ipv6.json', scenarios: IPV6_SCENARIOS },
  {
    about: 'router advertisements',
    file: 'test/data/linux-ra.json',
    scenarios: RA_SCENARIOS,
  },
  { about: 'bridges', file: 'test/data/linux-bridges.json', scenarios: BRIDGE_SCENARIOS },
  { about: 'devices', file: 'test/data/linux-devices.json', scenarios: DEVICE_SCENARIOS },
];
