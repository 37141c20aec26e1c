import { ApiError } from '../../domain/errors.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import type { PublisherState } from '../../publisher/publisherState.ts';
import type { DiskReserve } from '../../storage/diskReserve.ts';
import { monitoringMethod } from './monitoringMethod.ts';

/** The dependencies of the heartbeat. */
export type Health = {
  /** Throws ServiceUnavailable that names what fails, unless this node works completely. */
  checkBackends(): Promise<void>;
  diskReserve: Pick<DiskReserve, 'isUsed' | 'warning'>;
  /** The publisher of changes to other systems; undefined if there is none. */
  publisher: { state(): Promise<PublisherState> } | undefined;
};

/** `heartbeat`: whether this node works completely. */
export function heartbeat({ checkBackends, diskReserve, publisher }: Health): Endpoint {
  return {
    ...monitoringMethod,
    name: 'heartbeat',
    dialects: ['current'],
    route: '/__heartbeat__',
    title: 'Heartbeat',
    description:
      'Answers while this node is up to date, its databases can be read and written to, and the tokens of clients are there; ' +
      'else 503 naming what fails. It rests on the last changes, and on a probe every 10 s at most where there are none: ' +
      'asking often costs nothing. It is for who watches over the service; load balancers ask `__lbheartbeat__`. ' +
      'Where changes are published, it says how far that has come; no request ever waits for it. While space on the disk is low, ' +
      'it has a `warning`; once the reserve for a full disk is in use, it is 503.',
    async handle() {
      await checkBackends();
      if (diskReserve.isUsed())
        throw new ApiError(
          'ServiceUnavailable',
          'this service is not well: the disk is full, and its reserve is in use, so that rights can only be taken away',
        );
      const warning = diskReserve.warning();
      return {
        body: {
          ...(warning !== undefined && { warning }),
          ...(publisher && { publisher: await publisher.state() }),
        },
      };
    },
  };
}
