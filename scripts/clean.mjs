/** Removes what is generated: dist/ and build/, or only the folders named as arguments. */
import { rmSync } from 'node:fs';

const named = process.argv.slice(2);
for (const folder of named.length > 0 ? named : ['dist', 'build'])
  rmSync(folder, { recursive: true, force: true });
