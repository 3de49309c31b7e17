// An HTTP service in front of a database. Without the two time-outs it waits for ever once packets vanish: a
// connection over which nothing comes is not a broken one.
import http from 'node:http';
import pg from 'pg';

const { QUERY_TIMEOUT = '5000' } = process.env;
const pool = new pg.Pool({
  user: 'postgres',
  database: 'postgres',
  host: 'db',
  max: 1,
  query_timeout: Number(QUERY_TIMEOUT),
  connectionTimeoutMillis: Number(QUERY_TIMEOUT),
});
// A connection that breaks while nobody uses it.
pool.on('error', (error) => console.log('idle connection:', error.message));

http
  .createServer(async (_request, response) => {
    try {
      const { rows } = await pool.query('select 6 * 7 as answer');
      response.end(`${rows[0].answer}\n`);
    } catch (error) {
      console.log('query:', error.message);
      response.writeHead(503).end(`${error.message}\n`);
    }
  })
  .listen(80);
