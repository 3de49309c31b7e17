/** Installs the patches of Node's modules: once, when the first namespace is entered. */
import { syncBuiltinESMExports } from 'node:module';
import { internals } from './internals.ts';
import { extendNative } from './js-stream.ts';
import { patchAgents } from './patch-agents.ts';
import { patchBoundSocket } from './patch-bound-socket.ts';
import { patchChildProcess } from './patch-child-process.ts';
import { patchCluster } from './patch-cluster.ts';
import { patchDgram } from './patch-dgram.ts';
import { patchDns } from './patch-dns.ts';
import { patchHandles } from './patch-handles.ts';
import { patchNet } from './patch-net.ts';
import { patchOs } from './patch-os.ts';
import { patchTls } from './patch-tls.ts';
import { patchWorker } from './patch-worker.ts';
import { TcpHandle } from './tcp-handle.ts';

let installed = false;

/** Throws one sentence, and changes nothing, if this Node lacks what it takes. */
export function install(): void {
  if (installed) return;
  internals();
  installed = true;
  extendNative(TcpHandle);
  patchHandles();
  patchNet();
  patchBoundSocket();
  patchTls();
  patchDgram();
  patchDns();
  patchOs();
  patchAgents();
  patchChildProcess();
  patchWorker();
  patchCluster();
  syncBuiltinESMExports();
}
