import type { Documents } from '../../http/documentsApp.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { SERVICE_VERSION } from '../../process/version.ts';
import { asyncapiDocument } from './asyncapiDocument.ts';
import { exchangesDocument } from './exchangesDocument.ts';
import { openapiDocument } from './openapiDocument.ts';
import { referenceDocument } from './referenceDocument.ts';
import { schemaDocuments } from './schemaDocuments.ts';

/** Every document that describes the API, by the path that it is served at. `topicPrefix` is that of the topics of the message bus. */
export function makeDocuments(
  endpoints: readonly Endpoint[],
  { rootUrl, topicPrefix }: { rootUrl: string; topicPrefix: string },
): Documents {
  return {
    ...schemaDocuments(),
    '/references/auth/v1/api.json': referenceDocument(endpoints),
    '/references/auth/v1/exchanges.json': exchangesDocument(),
    '/asyncapi.json': asyncapiDocument({ version: SERVICE_VERSION, topicPrefix }),
    '/openapi.json': openapiDocument(endpoints, { rootUrl, version: SERVICE_VERSION }),
  };
}
