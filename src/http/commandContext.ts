import type { CommandContext } from '../writeSide/handleCommand.ts';
import type { EndpointRequest } from './endpoint.ts';
import { workFor } from './workFor.ts';

/** The context in which the command of a request runs: its caller, authorization and the metadata of its events. */
export function commandContext(request: EndpointRequest): CommandContext {
  const { now, caller } = request;
  const { requestId, sourceIp, traceparent } = request.origin;
  return {
    now,
    authorize: (params) => request.authorize(params),
    workFor: workFor(request),
    metadata: {
      actor: caller.clientId,
      ...(caller.issuer !== undefined && { issuer: caller.issuer }),
      at: now.toJSON(),
      requestId,
      ...(sourceIp !== undefined && { sourceIp }),
      ...(traceparent !== undefined && { traceparent }),
    },
  };
}
