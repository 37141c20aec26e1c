import { expect, test } from '@jest/globals';
import type { TestService } from '../startService.ts';
import { issued } from './issued.ts';
import type { StorageDouble } from './storageDouble.ts';

/** A method that issues shared access signatures (SAS), and the corresponding method that lists. */
export type SasMethod = {
  /** The guarded service's name. */
  name: string;
  kind: 'table' | 'container';
  /** The target in the account `doubled`. */
  target: string;
  /** The permissions in a read-only SAS. */
  readPermissions: string;
  /** Azure's error code for a resource that is still being deleted. */
  beingDeleted: string;
  /** Account, target and level, one of which is invalid. */
  wrong: [account: string, target: string, level: string][];
  ask(...args: string[]): Promise<{ sas: string }>;
  list(account: string): Promise<unknown>;
  answerError(status: number, code: string): void;
  running(): { service: TestService; double: StorageDouble };
};

export const valuesOf = (sas: string) => Object.fromEntries(new URLSearchParams(sas));

/** The contract of SAS methods for any kind of storage. */
export function sasContract(method: SasMethod): void {
  const { name, kind, target, readPermissions, beingDeleted, wrong, ask, list, answerError, running } =
    method;

  test(`asks Azure for nothing where a ${kind} is only read`, async () => {
    const { double } = running();
    double.asked();
    expect(valuesOf((await ask('doubled', target, 'read-only')).sas)['sp']).toBe(readPermissions);
    expect(double.asked()).toEqual([]);
  });

  test(`is a conflict while a ${kind} of this name is being deleted, and nothing is recorded`, async () => {
    const { service } = running();
    const before = await issued(service, name);
    answerError(409, beingDeleted);
    await expect(ask('doubled', target, 'read-write')).rejects.toMatchObject({
      code: 'RequestConflict',
      message: expect.stringContaining(`${kind} ${target}`),
    });
    expect(await issued(service, name)).toEqual(before);
  });

  test('fails after few tries, without the words of Azure', async () => {
    const { service, double } = running();
    answerError(500, 'InternalError');
    double.asked();
    const error = await ask('doubled', target, 'read-write').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'BadGateway' });
    expect(double.asked()).toHaveLength(2);
    expect(JSON.stringify(error) + String(error) + service.logged()).not.toContain('canary');
  });

  test.each(wrong)('refuses names that are none: %s %s %s', async (...args) => {
    await expect(ask(...args)).rejects.toMatchObject({ code: 'InvalidRequestArguments' });
  });

  test.each(['unknown1', 'constructor'])('knows no account %s', async (account) => {
    const unknown = { code: 'ResourceNotFound', message: expect.stringContaining(account) };
    for (const level of ['read-only', 'read-write'])
      await expect(ask(account, target, level)).rejects.toMatchObject(unknown);
    await expect(list(account)).rejects.toMatchObject(unknown);
  });
}
