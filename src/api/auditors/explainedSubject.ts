import type { ClientRow } from '../../../projections/clients.ts';
import { existingClient } from '../../domain/client.ts';
import { ApiError } from '../../domain/errors.ts';
import type { Subject } from '../../domain/explainedPath.ts';
import { asCode } from '../../domain/markdown.ts';
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
    const client = await state.client(clientId);
    if (!client && state.moment) refuseFormer(`client ${clientId}`, { clientId }, state.moment);
    const { scopes, disabled, expires } = existingClient(client, clientId);
    return { held: scopes, disabled, expires };
  }
  const { roleId } = subject;
  const role = await state.role(roleId);
  if (!role && state.moment) refuseFormer(`role ${asCode(roleId)}`, { roleId }, state.moment);
  existingRole(role, roleId);
  return { held: [grantingScope(roleId)] };
}

function refuseFormer(
  name: string,
  ids: Record<string, string>,
  { position }: NonNullable<State['moment']>,
): never {
  throw new ApiError('ResourceNotFound', `${name} did not exist at ${position}`, { ...ids, position });
}
