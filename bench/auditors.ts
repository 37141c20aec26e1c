import { ASSUME } from '../src/domain/roleDefinition.ts';
import { AUTHLEDGER_API, signedCall, type Signed } from './calls.ts';
import { ASSUMING_ALL, grantsOf, SIGNERS } from './fill.ts';
import { type Connection, open } from './load.ts';
import { authenticating, root, type Service } from './loads.ts';
import type { Report } from './report.ts';
import { interleaved, on } from './rounds.ts';
import { CHANGED } from './yearOfChanges.ts';

/** How often each question is asked, and the rounds and their length (ms) of authentication beside them. */
export type AuditorsOptions = {
  times: number;
  rounds: number;
  ms: number;
  connections: number;
  roles: number;
};

/** A question about the present, or about a moment. The number picks whom it is about. */
type Question = (i: number, at?: string) => Signed;

const ROW = '15';
/** A real role that does not grant all others. */
const roleOf = (i: number): string => grantsOf(i % SIGNERS).role.slice(ASSUME.length);
const signerOf = (i: number): string => `signer/${i % SIGNERS}`;
const atIn = (route: string, at: string | undefined): string =>
  at === undefined ? route : `${route}${route.includes('?') ? '&' : '?'}at=${at}`;

const client = (clientId: string, at?: string): Signed => ({
  method: 'GET',
  route: atIn(`/clients/${encodeURIComponent(clientId)}`, at),
});
const expandScopes = (scope: string, at?: string): Signed => ({
  method: 'POST',
  route: atIn('/scopes/expand', at),
  body: { scopes: [scope] },
});
const toAuthledger = (route: string, body: object): Signed => ({
  api: AUTHLEDGER_API,
  method: 'POST',
  route,
  body,
});
const explain = (
  clientId: string,
  expression: string,
  { at, limit = 1 }: { at?: string; limit?: number } = {},
): Signed =>
  toAuthledger('/explain', { subject: { clientId }, expression, limit, ...(at !== undefined && { at }) });
const whoCan = (expression: string, at?: string): Signed =>
  toAuthledger('/who-can', { expression, limit: 100, ...(at !== undefined && { at }) });
const history = (filter: string): Signed => ({
  api: AUTHLEDGER_API,
  method: 'GET',
  route: `/history?limit=100&${filter}`,
});
const pageOfClients: Question = (i, at) => ({
  method: 'GET',
  route: atIn(`/clients/?limit=1000&prefix=made%2F000${i % 10}`, at),
});

const NOBODYS = 'nobody:has:this';
const FEW = 'project:p5:resource-1:x';
const NEARLY_ALL = 'queue:get-artifact:public/x';

/** Measures what auditors ask of a service with a year of changes, and authentication beside them. */
export async function measureAuditors(
  report: Report,
  service: Service,
  options: AuditorsOptions,
): Promise<void> {
  const { times, roles } = options;
  const idle = service.server.memory().now;
  const auditor = await Auditor.of(service);
  const log = await auditor.log();
  /** A position that was never asked about, once all that is asked about was there. */
  const anyMoment = (): string => log.position(between(roles + SIGNERS + 10, log.length));
  const held = await auditor.heldAllTheTime();
  const expressionOf = (i: number): string => held[i % SIGNERS]![i % held[i % SIGNERS]!.length]!;

  for (const [limit, most, what] of [
    [1, 5, 'the shortest path'],
    [10, 20, '10 paths'],
  ] as const) {
    const asked = await auditor.times(times, (i) => explain(signerOf(i), expressionOf(i), { limit }));
    report.answers(ROW, `explain, now, ${what}`, asked, { most });
  }

  const questions: Record<string, Question> = {
    client: (i, at) => client(signerOf(i), at),
    role: (i, at) => ({
      method: 'GET',
      route: atIn(`/roles/${encodeURIComponent(roleOf(i))}`, at),
    }),
    expandScopes: (i, at) => expandScopes(grantsOf(i % SIGNERS).role, at),
    explain: (i, at) => explain(signerOf(i), expressionOf(i), { at }),
  };
  for (const [name, question] of Object.entries(questions)) {
    const { first, again, now } = await auditor.moments(times, question, anyMoment);
    report.answers(ROW, `${name} at a new moment`, first, { most: 100, slowest: 300, now });
    report.answers(ROW, `${name} at the same moment again`, again, { timesNow: 2, now });
  }
  const few = Math.ceil(times / 10);
  const denials = await auditor.moments(few, (i, at) => explain(signerOf(i), NOBODYS, { at }), anyMoment);
  report.answers(ROW, 'explain of a denial at a new moment', denials.first, { now: denials.now });
  report.answers(ROW, 'explain of a denial at the same moment again', denials.again, {
    timesNow: 2,
    now: denials.now,
  });
  const ofAllRoles: Record<string, Question> = {
    client: (_, at) => client(ASSUMING_ALL, at),
    expandScopes: (_, at) => expandScopes('assume:*', at),
    explain: (i, at) => explain(ASSUMING_ALL, expressionOf(i), { at }),
  };
  for (const [name, question] of Object.entries(ofAllRoles)) {
    const { first, again, now } = await auditor.moments(few, question, anyMoment);
    report.answers(ROW, `${name} of assume:* at a new moment`, first, { now });
    report.answers(ROW, `${name} of assume:* at the same moment again`, again, { timesNow: 2, now });
  }
  const pages = await auditor.moments(few, pageOfClients, anyMoment);
  report.answers(ROW, 'a page of 1,000 clients at a new moment', pages.first, { most: 300, now: pages.now });
  report.answers(ROW, 'a page of 1,000 clients at the same moment again', pages.again, {
    timesNow: 2,
    now: pages.now,
  });

  for (const [what, scope] of [
    ['few', FEW],
    ['nearly all', NEARLY_ALL],
  ] as const) {
    const { first, again, now } = await auditor.moments(few, (_, at) => whoCan(scope, at), anyMoment);
    report.answers(ROW, `whoCan, now, a scope of ${what}`, now, { most: 100 });
    report.answers(ROW, `whoCan at a new moment, a scope of ${what}`, first, { now });
    report.answers(ROW, `whoCan at the same moment again, a scope of ${what}`, again, { now });
  }

  const lastEvents = { from: log.position(log.length - 1000), limit: 1000 };
  const lately = await auditor.times(few, () => toAuthledger('/what-changed', lastEvents));
  report.answers(ROW, 'whatChanged over the last 1,000 events', lately, { most: 500 });
  const everything = [await auditor.firstChanges(1000), await auditor.firstChanges(1000)];
  report.answers(ROW, 'whatChanged over all events, first 1,000', everything, { most: 10_000 });

  for (const [by, filter] of [
    ['entity', (i: number) => `client=${encodeURIComponent(signerOf(i))}`],
    ['actor', (i: number) => `actor=admin%2F${i % 50}`],
    ['prefix', (i: number) => `prefix=made%2F000${i % 10}`],
  ] as const) {
    const asked = await auditor.times(times, (i) => history(filter(i)));
    report.answers(ROW, `history, the newest 100 by ${by}`, asked, { most: 50 });
  }

  const mixed: Question[] = [
    ...Object.values(questions),
    ...Object.values(ofAllRoles),
    pageOfClients,
    () => whoCan(FEW),
    (_, at) => whoCan(NEARLY_ALL, at),
    () => toAuthledger('/what-changed', lastEvents),
    () => toAuthledger('/what-changed', { from: log.start, limit: 1000 }),
    (i) => history(`actor=admin%2F${i % 50}`),
  ];
  const next = (i: number): Signed => mixed[i % mixed.length]!(i, anyMoment());
  await besideAuditor(report, service, { ...options, ask: (i) => auditor.ask(next(i)) });
  const { now, most } = service.server.memory();
  report.add(ROW, 'memory, idle after the start', { figure: `${idle} MB` });
  report.add(ROW, 'memory, after all this', { figure: `${now} MB, at most ${most} MB` });
  auditor.close();
}

/** Authentication alone, and while an auditor asks one question after the other. */
async function besideAuditor(
  report: Report,
  service: Service,
  { rounds, ms, connections, ask }: AuditorsOptions & { ask(i: number): Promise<unknown> },
): Promise<void> {
  const authenticate = on(service.server, authenticating(service), { connections, ms, countFailures: true });
  let asked = 0;
  const whileAsked = async (): ReturnType<typeof authenticate> => {
    let isOver = false;
    const asking = (async () => {
      while (!isOver) await ask((asked += 1));
    })();
    const round = await authenticate();
    isOver = true;
    await asking;
    return round;
  };
  const measured = await interleaved({ alone: authenticate, beside: whileAsked }, rounds);
  report.besideAuditor(ROW, 'authenticateHawk beside an auditor', measured.beside, measured.alone);
  report.add(ROW, 'questions answered meanwhile', {
    figure: `${(asked / ((rounds * ms) / 1000)).toFixed(1)} a second`,
  });
}

/** Asks one question after the other, as root. */
class Auditor {
  readonly #connection: Connection;
  readonly #port: number;

  private constructor(connection: Connection, port: number) {
    this.#connection = connection;
    this.#port = port;
  }

  static async of({ server: { port } }: Service): Promise<Auditor> {
    return new Auditor(await open(port), port);
  }

  /** The time of an answer in milliseconds, and its text. */
  async ask(question: Signed): Promise<{ ms: number; body(): string }> {
    const call = signedCall(root, this.#port, question);
    const began = performance.now();
    const { status, body } = await this.#connection.send(call);
    const ms = performance.now() - began;
    if (status !== 200) throw new Error(`${question.route}: ${status} ${body().slice(0, 500)}`);
    return { ms, body };
  }

  /** How many events the log has, and the positions of these. */
  async log(): Promise<{ length: number; start: string; position(event: number): string }> {
    const body = { from: '2000-01-01T00:00:00Z', limit: 1, subjects: [{ clientId: signerOf(0) }] };
    const { from, to } = await this.#json<Record<'from' | 'to', { position: string }>>(
      toAuthledger('/what-changed', body),
    );
    const [logId, digits] = to.position.split('.') as [string, string];
    return {
      length: Number(digits),
      start: from.position,
      position: (event) => `${logId}.${String(event).padStart(digits.length, '0')}`,
    };
  }

  async #json<T>(question: Signed): Promise<T> {
    return JSON.parse((await this.ask(question)).body()) as T;
  }

  /** The expanded scopes of each signer that no change gave or took away. */
  async heldAllTheTime(): Promise<string[][]> {
    const all: string[][] = [];
    for (let i = 0; i < SIGNERS; i += 1) {
      const { expandedScopes } = await this.#json<{ expandedScopes: string[] }>(client(signerOf(i)));
      all.push(expandedScopes.filter((scope) => !scope.startsWith(CHANGED)));
    }
    return all;
  }

  /** The times of so many answers. */
  async times(count: number, question: (i: number) => Signed): Promise<number[]> {
    const all: number[] = [];
    for (let i = 0; i < count; i += 1) all.push((await this.ask(question(i))).ms);
    return all;
  }

  /** The times of answers about moments for the first time, about the same ones again, and about the present. */
  async moments(
    count: number,
    question: Question,
    anyMoment: () => string,
  ): Promise<Record<'first' | 'again' | 'now', number[]>> {
    const all = { first: [] as number[], again: [] as number[], now: [] as number[] };
    for (let i = 0; i < count; i += 1) {
      const at = anyMoment();
      all.first.push((await this.ask(question(i, at))).ms);
      all.again.push((await this.ask(question(i, at))).ms);
      all.now.push((await this.ask(question(i))).ms);
    }
    return all;
  }

  /** How long it takes, over all pages, to learn of so many changes since the log began. */
  async firstChanges(count: number): Promise<number> {
    const from = '2000-01-01T00:00:00Z';
    const began = performance.now();
    let [found, continuationToken] = [0, undefined as string | undefined];
    do {
      const body = { from, limit: count - found, ...(continuationToken && { continuationToken }) };
      const page = await this.#json<{ changes: unknown[]; continuationToken?: string }>(
        toAuthledger('/what-changed', body),
      );
      found += page.changes.length;
      ({ continuationToken } = page);
    } while (continuationToken !== undefined && found < count);
    return performance.now() - began;
  }

  close(): void {
    this.#connection.close();
  }
}

function between(first: number, last: number): number {
  return first + Math.floor(Math.random() * (last - first + 1));
}
