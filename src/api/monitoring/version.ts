import type { Endpoint } from '../../http/endpoint.ts';
import { SERVICE_VERSION } from '../../process/version.ts';
import { monitoringMethod } from './monitoringMethod.ts';

/** `version`: name and version of the program. */
export function version(): Endpoint {
  return {
    ...monitoringMethod,
    name: 'version',
    dialects: ['current'],
    route: '/__version__',
    title: 'Version',
    description: 'Name and version of the program that answers.',
    handle: () => ({ body: { source: 'authledger', version: SERVICE_VERSION, commit: '', build: '' } }),
  };
}
