import { expect, test } from '@jest/globals';
import { SERVICE_NAME_PATTERN } from '../../schemas/events/credentialsEvents.ts';
import { authSchemas } from '../../schemas/v1/apiSchemas.ts';
import { authledgerSchemas } from '../../schemas/v1/authledger/authledgerSchemas.ts';
import { guardedServices } from '../../src/services/guardedServices.ts';

test('no two guarded services have the same name, or a schema of the same name', () => {
  const names = guardedServices.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(new RegExp(SERVICE_NAME_PATTERN));
  const schemas = [
    ...guardedServices.flatMap((each) => Object.keys(each.schemas)),
    ...Object.keys(authSchemas),
    ...Object.keys(authledgerSchemas),
  ];
  expect(new Set(schemas).size).toBe(schemas.length);
});

test('every guarded service says what its endpoints give, and to whom', () => {
  const endpoints = guardedServices.flatMap((service) => [...service.endpoints]);
  expect(endpoints.length).toBeGreaterThan(2);
  for (const { name, scopes, output } of endpoints)
    expect({ name, scopes, output }).toEqual({ name, scopes: expect.anything(), output: expect.any(String) });
});
