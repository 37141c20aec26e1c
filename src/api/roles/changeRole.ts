import type { Command } from '../../command.ts';
import type { RolesState } from '../../domain/role.ts';
import type { Event } from '../../event.ts';
import { commandContext } from '../../http/commandContext.ts';
import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import type { LongWork } from '../../process/longWork.ts';
import type { Projector } from '../../readSide/projector.ts';
import type { HandleCommand } from '../../writeSide/handleCommand.ts';
import { roleSubject } from '../../writeSide/subjects.ts';
import { roleReply } from './roleReply.ts';

/** The dependencies of methods that change roles. */
export type RoleWriteParts = { projector: Projector; handleCommand: HandleCommand; longWork: LongWork };

/** Runs a command on a role, and replies with the changed role, even if it is too large to expand. */
export async function changeRole<I extends { roleId: string }>(
  parts: RoleWriteParts,
  request: EndpointRequest,
  { command, input }: { command: Command<I, RolesState, Event>; input: I },
): Promise<EndpointReply> {
  const subject = roleSubject(input.roleId, parts.projector);
  const context = commandContext(request);
  const { row, position } = await parts.handleCommand({ command, subject, input, context });
  return {
    ...(row &&
      (await roleReply(
        { roles: parts.projector.roleGraph, longWork: parts.longWork },
        { role: row, incomplete: new Set() },
        request,
      ))),
    position,
  };
}
