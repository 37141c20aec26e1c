import { sizeOfScopes } from '../domain/workBudget.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { EndpointReply } from './endpoint.ts';
import { scopesChunk, scopesJson, countWriting } from './scopesJson.ts';

/** The JSON text of a reply, in ASCII characters, before and after the scope set in it. */
type ScopesInJson = { before: string; scopes: readonly string[]; after: string };

/**
 * A reply with a scope set in it: as one text, or, if it is long, in chunks that are serialized as they are consumed.
 */
export function scopesReply(json: ScopesInJson, longWork: LongWork, owner: WorkFor): EndpointReply {
  const text = scopesJson(json.scopes);
  if (text !== undefined) return { ascii: json.before + text + json.after };
  return { chunks: replyChunks(json, longWork, owner) };
}

async function* replyChunks(
  { before, scopes, after }: ScopesInJson,
  longWork: LongWork,
  { caller }: WorkFor,
): AsyncGenerator<string> {
  const release = longWork.trackReply(caller, sizeOfScopes(scopes));
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
    release();
  }
}
