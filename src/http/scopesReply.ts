import { sizeOfScopes } from '../domain/work.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { EndpointReply } from './endpoint.ts';
import { scopesChunk, scopesJson, countWriting } from './scopesJson.ts';

/** JSON text of ASCII characters with a scope set in it. */
type ScopesInJson = { before: string; scopes: readonly string[]; after: string };

/** A reply with a scope set in it: as one text where it is not long, else in pieces that are made as they are taken. */
export function scopesReply(around: ScopesInJson, longWork: LongWork, whom: WorkFor): EndpointReply {
  const text = scopesJson(around.scopes);
  if (text !== undefined) return { ascii: around.before + text + around.after };
  return { chunks: replyChunks(around, longWork, whom) };
}

async function* replyChunks(
  { before, scopes, after }: ScopesInJson,
  longWork: LongWork,
  { caller }: WorkFor,
): AsyncGenerator<string> {
  const taken = longWork.sending(caller, sizeOfScopes(scopes));
  try {
    let start = before + '[';
    for (let from = 0; from < scopes.length; start = ',') {
      const { text, next } = await longWork.queue({ caller, kind: 'begun' }, function* (work) {
        const piece = scopesChunk(scopes, from);
        if (countWriting(piece.text, work)) yield;
        return piece;
      });
      from = next;
      yield start + text;
    }
    yield `]${after}`;
  } finally {
    taken();
  }
}
