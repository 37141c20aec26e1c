import type { Logger } from 'pino';
import type { ClientHistory } from '../readSide/clientHistory.ts';
import type { DiskReserve } from '../storage/diskReserve.ts';
import type { HandleCommand } from '../writeSide/handleCommand.ts';
import type { LastUsed } from '../readSide/lastUsed.ts';
import type { LongWork } from '../process/longWork.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import type { Projector } from '../readSide/projector.ts';
import type { PublisherState } from '../publisher/publisherState.ts';
import type { MakeSecret } from '../secretStore/newSecret.ts';
import type { SecretStore } from '../secretStore/secretStore.ts';
import type { Authenticate } from '../authentication/authenticate.ts';

/** What the handlers of the endpoints work with. */
export type Services = {
  projector: Projector;
  eventStore: EventStore;
  handleCommand: HandleCommand;
  makeSecret: MakeSecret;
  secretStore: Pick<SecretStore, 'get'>;
  lastUsed: LastUsed;
  clientHistory: ClientHistory;
  diskReserve: Pick<DiskReserve, 'isUsed' | 'warning'>;
  authenticate: Authenticate;
  longWork: LongWork;
  log: Logger;
  /** Throws ServiceUnavailable, naming what fails, when this node cannot do all that it is there for. */
  checkBackends(): Promise<void>;
  /** What publishes every change to other systems; undefined where nothing does. */
  publisher: { state(): Promise<PublisherState> } | undefined;
};
