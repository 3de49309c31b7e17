/** Real time as the environment of a kernel. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel } from '../core/kernel.ts';
import { RealTimeEnv } from './env.ts';

test('timers of the kernel fire in real time, in order, and not early', async () => {
  const kernel = new Kernel({ env: new RealTimeEnv(), seed: 1 });
  const start = kernel.env.nowUs();
  const fired: number[] = [];
  const late: number[] = [];
  await new Promise<void>((resolve) => {
    for (const us of [20_000, 300, 1500, 5200, 0]) {
      const at = start + us;
      kernel
        .timer(() => {
          fired.push(us);
          late.push(kernel.env.nowUs() - at);
          if (us === 20_000) resolve();
        })
        .set(at);
    }
    // The kernel's timers do not hold the loop.
    setTimeout(() => resolve(), 5000);
  });
  assert.deepEqual(fired, [0, 300, 1500, 5200, 20_000]);
  assert.ok(Math.min(...late) >= 0, `${late}`);
});

test('a far timer gives way to a nearer one that comes later', async () => {
  const kernel = new Kernel({ env: new RealTimeEnv(), seed: 1 });
  const order: string[] = [];
  const far = kernel.timer(() => order.push('far'));
  far.set(kernel.env.nowUs() + 3_600_000_000);
  await new Promise<void>((resolve) => {
    kernel
      .timer(() => {
        order.push('near');
        resolve();
      })
      .set(kernel.env.nowUs() + 3000);
    setTimeout(() => resolve(), 5000);
  });
  far.clear();
  assert.deepEqual(order, ['near']);
});

test('the clock starts near zero, moves on, and knows the date', () => {
  const env = new RealTimeEnv();
  assert.ok(env.nowUs() < 1_000_000);
  assert.ok(Number.isInteger(env.nowUs()));
  assert.ok(Math.abs(env.epochUs / 1000 - Date.now()) < 60_000);
  assert.notEqual(env.random(), env.random());
});
