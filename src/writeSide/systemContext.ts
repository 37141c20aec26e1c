import { randomUUID } from 'node:crypto';
import { INTERNAL_PREFIX } from '../../schemas/constants.ts';
import type { CommandContext } from './handleCommand.ts';

/** The parts of this service that change clients and roles by themselves. */
export type SystemActor = 'purge' | 'static-clients' | 'import' | 'cli';

/**
 * The context of a command that no request asked for. It needs no scopes, and the history names the part as its actor.
 */
export function systemContext(actor: SystemActor, now = new Date()): CommandContext {
  return {
    now,
    authorize: async () => undefined,
    metadata: { actor: INTERNAL_PREFIX + actor, at: now.toJSON(), requestId: randomUUID() },
  };
}
