/** Programs on top of the core: `warren/app`. */
export { type AppIo, ping, type RunningApp } from './ping.ts';
export { tracepath, traceroute } from './traceroute.ts';
