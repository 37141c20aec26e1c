import type { GuardedService } from './guardedService.ts';
import { sentry } from './sentry.ts';
import { statsum } from './statsum.ts';
import { webhooktunnel } from './webhooktunnel.ts';
import { websocktunnel } from './websocktunnel.ts';

/** Every guarded service there is. */
export const guardedServices: readonly GuardedService[] = [sentry, statsum, webhooktunnel, websocktunnel];
