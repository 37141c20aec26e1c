import { createInterface } from 'node:readline';
import { startCuttableProxy } from './cuttableProxy.ts';
import { startKurrentDouble } from './kurrentDouble.ts';

/**
 * The double as a program of its own, for tests with several processes: `node main.js PORT`. It prints a line when it listens,
 * and takes commands from its input, one a line: `cut` ends all connections, `shut` lets nobody through until `open`, and
 * `cut-before-reply` ends them after the next append, before its reply. It ends when its input does.
 */
const double = await startKurrentDouble();
const proxy = await startCuttableProxy(double.port, Number(process.argv[2] ?? 0));
const commands: Record<string, () => void> = {
  cut: proxy.cut,
  shut: proxy.shut,
  open: proxy.open,
  'cut-before-reply'() {
    double.faults.beforeReply = () => {
      double.faults.beforeReply = undefined;
      proxy.cut();
    };
  },
};
const input = createInterface({ input: process.stdin });
input.on('line', (line) => commands[line.trim()]?.());
input.on('close', () => process.exit(0));
console.log(`kurrentdb://127.0.0.1:${proxy.port}?tls=false`);
