import { expect } from '@jest/globals';
import { runCommand } from './runCommand.ts';

/** What `authledger export` writes of clients and of roles. */
export async function exported(env: Record<string, string>): Promise<string[]> {
  const texts = [];
  for (const what of ['clients', 'roles']) {
    const { stdout, stderr } = await runCommand(['export', what], { ...env, LOG_LEVEL: 'warn' });
    expect(stderr).toBe('');
    texts.push(stdout);
  }
  return texts;
}
