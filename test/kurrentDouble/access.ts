import { Metadata, type ServerInterceptor, ServerInterceptingCall, status } from '@grpc/grpc-js';
import v1 from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';

/** Who may use the double, by name, and what they may not do. It may be changed while the double runs. */
export type Access = {
  passwords: Record<string, string>;
  denied: Record<string, ('read' | 'read $all' | 'append')[]>;
};

/** What servers answer everybody. */
const PUBLIC = /ServerFeatures|Gossip/;

/** The answer of a server to an user who lacks a right. */
export function accessDenied() {
  const metadata = new Metadata();
  metadata.set('exception', 'access-denied');
  return { code: status.PERMISSION_DENIED, details: 'Access Denied', metadata };
}

export function isDenied(
  access: Access | undefined,
  right: 'read' | 'read $all' | 'append',
  metadata: Metadata,
): boolean {
  const name = credentialsIn(metadata)?.name;
  return access !== undefined && (name === undefined || (access.denied[name]?.includes(right) ?? false));
}

/** Refuses callers with a wrong user or password, and reads that the user may not make. */
export function checkAccess(access: Access): ServerInterceptor {
  return ({ path }, call) => {
    let metadata = new Metadata();
    return new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(received, forward) {
            metadata = received;
            const given = credentialsIn(received);
            if (PUBLIC.test(path) || !given || access.passwords[given.name] === given.password)
              return forward(received);
            // The server answers HTTP's 401, which clients of gRPC take for this.
            call.sendStatus({ code: status.UNAUTHENTICATED, details: 'Unauthenticated' });
          },
          onReceiveMessage(message: unknown, forward) {
            if (!(message instanceof v1.ReadReq)) return forward(message);
            const right = message.getOptions()!.hasAll() ? 'read $all' : 'read';
            if (isDenied(access, right, metadata)) call.sendStatus(accessDenied());
            else forward(message);
          },
        });
      },
    });
  };
}

function credentialsIn(metadata: Metadata): { name: string; password: string } | undefined {
  const [, encoded] = /^Basic (.*)$/i.exec(String(metadata.get('authorization')[0] ?? '')) ?? [];
  if (encoded === undefined) return undefined;
  const [, name = '', password = ''] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
  return { name, password };
}
