import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { startCuttableProxy } from '../kurrentDouble/cuttableProxy.ts';

/** Whether this process may listen at port 80 of any loopback address. */
export function mayListenAtPort80(): boolean {
  if (process.platform !== 'linux') return false;
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  return process.getuid!() === 0 || first <= 80;
}

/** A proxy at port 80 of a loopback address that is its own: a root URL without a port for what listens at this port. */
export async function startProxyAtPort80(port: number): Promise<{ rootUrl: string; close(): Promise<void> }> {
  const host = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  const { close } = await startCuttableProxy(port, 80, host);
  return { rootUrl: `http://${host}`, close };
}
