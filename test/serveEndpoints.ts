import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Schema } from '../schemas/v1/schemaBuilders.ts';
import { bodySchemas } from '../src/api/documents/bodySchemas.ts';
import { makeDocuments } from '../src/api/documents/documents.ts';
import { makeSignatureRules } from '../src/authentication/signatureRules.ts';
import { type Config, DEFAULT_PREFIX } from '../src/config/config.ts';
import type { Endpoint } from '../src/http/endpoint.ts';
import { makeListener } from '../src/http/listener.ts';
import { makePipeline } from '../src/http/pipeline.ts';
import { makeValidator } from '../src/http/validator.ts';
import { noDiskReserve } from '../src/storage/diskReserve.ts';
import type { TestService } from './startService.ts';

/** What a test serves beside the methods of a service. */
export type Declared = {
  endpoints: readonly Endpoint[];
  /** The schemas of their bodies, with their `$id`. */
  schemas?: Readonly<Record<string, Schema>>;
  readAccess?: Config['readAccess'];
};

/** Serves a running service, with methods that a test declares and the documents of all, at a port of its own. */
export async function serveEndpoints(
  { service: { answering } }: TestService,
  { endpoints: declared, schemas: added, readAccess }: Declared,
): Promise<{ rootUrl: string; close(): Promise<void> }> {
  const endpoints = [...answering.endpoints, ...declared];
  const schemas = { ...bodySchemas, ...added };
  const pipeline = makePipeline({
    ...answering,
    endpoints,
    intake: { maxBodyBytes: 100_000, countRequest: () => undefined },
    access: {
      readAccess,
      trustProxy: () => false,
      signatureRules: makeSignatureRules({
        allowedHosts: undefined,
        requirePayloadHash: false,
        nonces: undefined,
        maxNonces: 0,
        diskReserve: noDiskReserve,
      }),
    },
    checks: { validator: makeValidator(schemas), checkReplies: true },
  });
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const rootUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const documents = makeDocuments({ endpoints, schemas }, { rootUrl, topicPrefix: DEFAULT_PREFIX });
  server.on('request', makeListener(pipeline, { allowedCorsOrigin: '*', documents }));
  return {
    rootUrl,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
