// An express server on port 80 that counts its visits in Postgres. Nothing in it knows of Warren.
import { hostname } from 'node:os';
import express from 'express';
import pg from 'pg';

const pool = new pg.Pool({ user: 'postgres', database: 'postgres', max: 1 });
const app = express();

app.get('/', async (_request, response) => {
  const { rows } = await pool.query(
    'insert into visits (web) values ($1) returning (select count(*) + 1 from visits) as visit',
    [hostname()],
  );
  response.json({ servedBy: hostname(), visit: Number(rows[0].visit) });
});

app.listen(80, (error) => {
  if (error) throw error;
  console.log(`${hostname()} serves http on port 80`);
});
