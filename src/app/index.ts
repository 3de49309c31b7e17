/** Programs on top of the core: `warren/app`. */
export { type AppIo, ping, type RunningApp } from './ping.ts';
export { radvd } from './radvd.ts';
export { parseRadvdConfig, RadvdConfigError, type RadvdInterface } from './radvd-config.ts';
export { tracepath, traceroute } from './traceroute.ts';
