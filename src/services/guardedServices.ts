import { awsS3 } from './awsS3.ts';
import { azureContainers } from './azureContainers.ts';
import { azureTables } from './azureTables.ts';
import { gcp } from './gcp.ts';
import { github } from './github.ts';
import type { GuardedService } from './guardedService.ts';
import { sentry } from './sentry.ts';
import { statsum } from './statsum.ts';
import { webhooktunnel } from './webhooktunnel.ts';
import { websocktunnel } from './websocktunnel.ts';

/** Every guarded service there is. */
export const guardedServices: readonly GuardedService[] = [
  awsS3,
  azureContainers,
  azureTables,
  gcp,
  github,
  sentry,
  statsum,
  webhooktunnel,
  websocktunnel,
];
