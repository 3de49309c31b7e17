/** The differential test: Linux's own namespaces are the oracle. */
import { compareAll } from './compare.ts';
import { RECORDINGS } from './recorded.ts';

for (const { about, scenarios } of RECORDINGS) compareAll(about, scenarios);
