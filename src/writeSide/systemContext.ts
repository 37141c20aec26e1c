import { randomUUID } from 'node:crypto';
import { INTERNAL_PREFIX } from '../../schemas/constants.ts';
import type { CommandContext } from './handleCommand.ts';

/** The parts of this service that make changes of their own. */
export type SystemActor = 'purge' | 'static-clients' | 'import' | 'cli';

/** For whom a command runs that no request asked for: it needs no scopes, and history shows which part it was. */
export function systemContext(actor: SystemActor, now = new Date()): CommandContext {
  return {
    now,
    authorize: async () => undefined,
    metadata: { actor: INTERNAL_PREFIX + actor, at: now.toJSON(), requestId: randomUUID() },
  };
}
