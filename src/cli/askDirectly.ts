import { randomUUID } from 'node:crypto';
import type { Service } from '../compose.ts';
import { ApiError } from '../domain/errors.ts';
import { type Endpoint, type EndpointReply, queryOf } from '../http/endpoint.ts';
import { apiValidator } from '../http/validator.ts';
import type { Ask, Question } from './ask.ts';

/** Asks a service without HTTP, as a caller that may read everything. */
export function askDirectly({ answering: { endpoints }, untilComplete }: Service): Ask {
  return async <Body>({ method, params = {}, query = {}, body = {} }: Question) => {
    const endpoint = endpoints.find(({ name, dialects }) => name === method && dialects.at(-1) !== 'older')!;
    if (endpoint.input !== undefined) apiValidator.checkInput(endpoint.input, body);
    const request = {
      now: new Date(),
      params,
      query: present(query, endpoint),
      body,
      caller: { clientId: 'static/authledger/cli', scopes: ['*'] },
      authorize: async () => undefined,
      signed: { method: '', resource: '', host: '', port: 0, payload: Buffer.alloc(0), contentType: '' },
      origin: { requestId: randomUUID() },
    };
    const answer = async (): Promise<EndpointReply> => endpoint.handle(request);
    const reply = await answer().catch(async (error: unknown) => {
      if (!(error instanceof ApiError) || error.code !== 'ServiceUnavailable') throw error;
      // Nobody else may be building the tables, and this process only does so while it runs.
      console.error(`waiting: ${error.message}`);
      await ended(untilComplete);
      return answer();
    });
    const position = reply.position ?? reply.moment?.position;
    return {
      body: JSON.parse(await textOf(reply)) as Body,
      ...(position !== undefined && { position }),
    };
  };
}

async function textOf({ body, ascii, chunks }: EndpointReply): Promise<string> {
  if (ascii !== undefined) return ascii;
  if (!chunks) return JSON.stringify(body ?? {});
  let text = '';
  for await (const chunk of chunks) text += chunk;
  return text;
}

function present(query: Question['query'], endpoint: Endpoint): Record<string, string> {
  const known = queryOf(endpoint);
  return Object.fromEntries(
    Object.entries(query!).filter(([name, value]) => known.includes(name) && value !== undefined),
  ) as Record<string, string>;
}

/** Waits, and keeps the process running: what builds tables does not. */
async function ended(work: Promise<void>): Promise<void> {
  const keepRunning = setInterval(() => undefined, 1000);
  await work.finally(() => clearInterval(keepRunning));
}
