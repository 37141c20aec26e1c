/** How often a test repeats what chance decides: so often as `usual`, and under STRESS=1, as in CI, so often as `stress`. */
export function rounds(usual: number, stress: number): number {
  return process.env['STRESS'] === '1' ? stress : usual;
}
