/** The differential test: Linux's own namespaces are the oracle. */
import { compareAll } from './compare.ts';
import { SCENARIOS } from './scenarios.ts';

compareAll(SCENARIOS);
