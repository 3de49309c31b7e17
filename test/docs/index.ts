/** Writes the pages of docs/ that are made from the sources: `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { sysctlPage } from './sysctl-page.ts';

writeFileSync('docs/sysctl.md', sysctlPage());
