// Postgres, compiled to WASM, on port 5432. Nothing in it knows of Warren.
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

const db = await PGlite.create();
await db.exec(
  'create table visits (id serial primary key, web text not null, at timestamptz default now())',
);
const server = new PGLiteSocketServer({ db, host: '0.0.0.0', port: 5432, maxConnections: 100 });
await server.start();
console.log('Postgres serves on port 5432');
