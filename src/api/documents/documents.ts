import type { Documents } from '../../http/documentsApp.ts';
import { SERVICE_VERSION } from '../../process/version.ts';
import { asyncapiDocument } from './asyncapiDocument.ts';
import { exchangesDocument } from './exchangesDocument.ts';
import { type DescribedApi, openapiDocument } from './openapiDocument.ts';
import { referenceDocument } from './referenceDocument.ts';
import { schemaDocuments } from './schemaDocuments.ts';

/** All documents that describe the API, by path. `topicPrefix` is the prefix of the Kafka topics. */
export function makeDocuments(
  api: DescribedApi,
  { rootUrl, topicPrefix }: { rootUrl: string; topicPrefix: string },
): Documents {
  return {
    ...schemaDocuments(api.schemas),
    '/references/auth/v1/api.json': referenceDocument('auth', api.endpoints),
    '/references/authledger/v1/api.json': referenceDocument('authledger', api.endpoints),
    '/references/auth/v1/exchanges.json': exchangesDocument(),
    '/asyncapi.json': asyncapiDocument({ version: SERVICE_VERSION, topicPrefix }),
    '/openapi.json': openapiDocument(api, { rootUrl, version: SERVICE_VERSION }),
  };
}
