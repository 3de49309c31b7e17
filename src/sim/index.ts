/** Warren in virtual time: `import { VirtualClock } from 'warren/sim'`. */
export { VirtualClock } from './virtual-clock.ts';
