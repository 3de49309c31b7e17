import type { Section } from './ip-facts.ts';
export const TCP_SECTIONS: readonly Section[] = [];
