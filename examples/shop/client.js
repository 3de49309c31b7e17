// A client that asks both web servers in turn, once a second, and prints who answered.
// It runs in the process of the lab, in a namespace of its own: `fetch` finds web1 and web2 by name.
const servers = ['web1', 'web2'];
for (let i = 0; ; i++) {
  const server = servers[i % servers.length];
  try {
    const response = await fetch(`http://${server}/`, { signal: AbortSignal.timeout(900) });
    console.log(`${server}: ${response.status} ${await response.text()}`);
  } catch (error) {
    console.log(`${server}: ${error.cause?.code ?? error.name}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
