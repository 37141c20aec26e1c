import { sizeOfScopes } from '../domain/workBudget.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { EndpointReply } from './endpoint.ts';
import { pieceOfScopes, scopesText, wrote } from './scopesText.ts';

/** JSON text of ASCII characters with a scope set in it. */
type Around = { before: string; scopes: readonly string[]; after: string };

/** A reply with a scope set in it: as one text where it is not long, else in pieces that are made as they are taken. */
export function scopesReply(around: Around, longWork: LongWork, whom: WorkFor): EndpointReply {
  const text = scopesText(around.scopes);
  if (text !== undefined) return { ascii: around.before + text + around.after };
  return { pieces: piecesOf(around, longWork, whom) };
}

async function* piecesOf(
  { before, scopes, after }: Around,
  longWork: LongWork,
  { caller }: WorkFor,
): AsyncGenerator<string> {
  const taken = longWork.trackReply(caller, sizeOfScopes(scopes));
  try {
    let start = before + '[';
    for (let from = 0; from < scopes.length; start = ',') {
      const { text, next } = await longWork.queue({ caller, kind: 'begun' }, function* (work) {
        const piece = pieceOfScopes(scopes, from);
        if (wrote(piece.text, work)) yield;
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
