/** The differential test: Linux's own namespaces are the oracle. */
import { compareAll } from './compare.ts';
import { RECORDINGS } from './recorded.ts';

// What waits longest begins first.
compareAll(RECORDINGS.toReversed().flatMap(({ scenarios }) => scenarios));
