import { ATTACKS, type Attack } from './attacks.ts';
import type { Signer } from './calls.ts';
import { open } from './load.ts';

/**
 * Repeats one hostile input on 4 connections until it is ended, from a process of its own. Its arguments: the attack, the port,
 * and who signs where the attack is signed. Whatever the answer is, it goes on; where a connection is closed, on another one.
 */
const [, , attack, port, signer] = process.argv;
const next = ATTACKS[attack as Attack](Number(port), JSON.parse(signer!) as Signer);

async function repeat(): Promise<never> {
  for (;;) {
    try {
      const connection = await open(Number(port));
      for (;;) await connection.send(next());
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
console.log('"rootUrl":"http://none:0" "msg":"serving"');
await Promise.all(Array.from({ length: 4 }, repeat));
