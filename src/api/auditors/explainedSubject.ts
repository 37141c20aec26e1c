import type { ClientRow } from '../../../projections/clients.ts';
import { existingClient } from '../../domain/client.ts';
import type { Subject } from '../../domain/explainedPath.ts';
import { existingRole } from '../../domain/role.ts';
import { grantingScope } from '../../domain/roleDefinition.ts';
import type { State } from '../../readSide/state.ts';

/** Whose scopes are explained: the scopes that an explanation begins with, and what else of a client decides. */
export type ExplainedSubject = { held: readonly string[] } & Partial<Pick<ClientRow, 'disabled' | 'expires'>>;

/** Finds a subject in a state. Throws ResourceNotFound for a client or role that is not there, or was not. */
export async function explainedSubject(
  subject: Subject,
  state: Pick<State, 'client' | 'role' | 'moment'>,
): Promise<ExplainedSubject> {
  if ('scopes' in subject) return { held: subject.scopes };
  if ('clientId' in subject) {
    const { clientId } = subject;
    const client = existingClient(await state.client(clientId), clientId, state.moment?.position);
    const { scopes, disabled, expires } = client;
    return { held: scopes, disabled, expires };
  }
  const { roleId } = subject;
  existingRole(await state.role(roleId), roleId, state.moment?.position);
  return { held: [grantingScope(roleId)] };
}
