import { awsS3 } from './awsS3.ts';
import { azureContainers } from './azureContainers.ts';
import { azureTables } from './azureTables.ts';
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
  sentry,
  statsum,
  webhooktunnel,
  websocktunnel,
];
