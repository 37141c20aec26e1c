import { createRequire } from 'node:module';

// The build is one folder deeper than the source.
const require = createRequire(import.meta.url);
function readManifest(): { version: string } {
  try {
    return require('../../package.json') as { version: string };
  } catch {
    return require('../../../package.json') as { version: string };
  }
}

/** The version in package.json. */
export const SERVICE_VERSION: string = readManifest().version;
