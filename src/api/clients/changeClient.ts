import type { ClientRow } from '../../../projections/clients.ts';
import type { Command } from '../../command.ts';
import type { Event } from '../../event.ts';
import type { EventStore } from '../../eventStore/eventStore.ts';
import { commandContext } from '../../http/commandContext.ts';
import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { type Incomplete } from '../../http/incomplete.ts';
import { entryReply } from '../../http/entryReply.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';
import type { LastUsed } from '../../readSide/lastUsed.ts';
import type { Projector } from '../../readSide/projector.ts';
import type { NewSecret } from '../../secretStore/newSecret.ts';
import type { HandleCommand, Outcome } from '../../writeSide/handleCommand.ts';
import { clientSubject } from '../../writeSide/subjects.ts';
import { clientView } from './clientView.ts';

/** The dependencies of methods that change clients. */
export type ClientWriteParts = ChangedReplyParts & { eventStore: EventStore; handleCommand: HandleCommand };

/** The dependencies of the reply with a changed client. */
type ChangedReplyParts = { projector: Projector; lastUsed: LastUsed; longWork: LongWork };

type Change<I> = { command: Command<I, ClientRow | undefined, Event>; input: I; secret?: NewSecret };

/** Runs a command on the client in the path. */
export function runOnClient<I>(
  parts: Pick<ClientWriteParts, 'eventStore' | 'handleCommand' | 'projector'>,
  request: EndpointRequest,
  change: Change<I>,
): Promise<Outcome<ClientRow>> {
  const subject = clientSubject(request.params['clientId']!, parts);
  return parts.handleCommand({ ...change, subject, context: commandContext(request) });
}

/**
 * Runs a command on the client in the path, and replies with the changed client, or with an empty object after its
 * deletion.
 */
export async function changeClient<I>(
  parts: ClientWriteParts,
  request: EndpointRequest,
  change: Change<I>,
): Promise<EndpointReply> {
  const { row, position } = await runOnClient(parts, request, change);
  if (!row) return { body: {}, position };
  const accessToken = change.secret?.token;
  return { ...(await changedClientReply(parts, { client: row, accessToken }, request)), position };
}

/** The reply with a changed client, even if it is too large to expand, and with its new token if there is one. */
export async function changedClientReply(
  { projector: { roleGraph }, lastUsed, longWork }: ChangedReplyParts,
  { client, accessToken }: { client: ClientRow; accessToken: string | undefined },
  request: EndpointRequest,
): Promise<EndpointReply> {
  const incomplete: Incomplete = new Set();
  const lastDateUsed = await lastUsed.ofChanged(client);
  const owner = workFor(request);
  const entry = await longWork.run(owner, (work) =>
    clientView(roleGraph, { client, lastDateUsed, incomplete }, work),
  );
  const body = accessToken === undefined ? entry : { ...entry, accessToken };
  return { ...entryReply(body, longWork, owner), incomplete, holdsSecret: accessToken !== undefined };
}
