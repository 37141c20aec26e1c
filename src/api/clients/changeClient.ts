import type { ClientRow } from '../../../projections/clients.ts';
import type { Command } from '../../command.ts';
import type { Event } from '../../event.ts';
import type { EventStore } from '../../eventStore/eventStore.ts';
import { commandContext } from '../../http/commandContext.ts';
import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { type Incomplete } from '../../http/incomplete.ts';
import { entryReply } from '../../http/entryReply.ts';
import { workFor } from '../../http/workFor.ts';
import type { NewSecret } from '../../secretStore/newSecret.ts';
import type { HandleCommand, Outcome } from '../../writeSide/handleCommand.ts';
import { clientSubject } from '../../writeSide/subjects.ts';
import { type ClientReadParts, clientView } from './clientView.ts';

/** What clients are changed through. */
export type ClientWriteParts = ClientReadParts & { eventStore: EventStore; handleCommand: HandleCommand };

type Change<I> = { command: Command<I, ClientRow | undefined, Event>; input: I; secret?: NewSecret };

/** Runs a command on the client that the path names. */
export function runOnClient<I>(
  parts: Pick<ClientWriteParts, 'eventStore' | 'handleCommand' | 'projector'>,
  request: EndpointRequest,
  change: Change<I>,
): Promise<Outcome<ClientRow>> {
  const subject = clientSubject(request.params['clientId']!, parts);
  return parts.handleCommand({ ...change, subject, context: commandContext(request) });
}

/** The same, and replies with the client as it is then; with an empty object where it is gone. */
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

/** A client that was changed, which is shown however much it expands to, with its token where it has a new one. */
export async function changedClientReply(
  { projector, lastUsed, longWork }: ClientReadParts,
  { client, accessToken }: { client: ClientRow; accessToken: string | undefined },
  request: EndpointRequest,
): Promise<EndpointReply> {
  const incomplete: Incomplete = new Set();
  const lastDateUsed = await lastUsed.ofChanged(client);
  const whom = workFor(request);
  const entry = await longWork.run(whom, (work) =>
    clientView(projector, { client, lastDateUsed, incomplete }, work),
  );
  const told = accessToken === undefined ? entry : { ...entry, accessToken };
  return { ...entryReply(told, longWork, whom), incomplete, holdsSecret: accessToken !== undefined };
}
