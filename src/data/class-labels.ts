/** Index of the first class that two sets name differently; undefined when they agree or one has no names. */
export function firstOtherLabel(a: readonly string[] | undefined, b: readonly string[] | undefined): number | undefined {
  const index = a && b ? a.findIndex((label, i) => label !== b[i]) : -1;
  return index < 0 ? undefined : index;
}
