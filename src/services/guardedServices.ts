import { gcp } from './gcp.ts';
import { github } from './github.ts';
import type { GuardedService } from './guardedService.ts';
import { statsum } from './statsum.ts';
import { webhooktunnel } from './webhooktunnel.ts';
import { websocktunnel } from './websocktunnel.ts';

/** Every guarded service there is. */
export const guardedServices: readonly GuardedService[] = [
  gcp,
  github,
  statsum,
  webhooktunnel,
  websocktunnel,
];
