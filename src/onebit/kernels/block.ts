/** The words of a call's block: `words.ts` names them. */

// @ts-expect-error: decorator
@inline
export function wordAt(block: usize, word: i32): i32 {
  return load<i32>(block + 4 * word);
}

// @ts-expect-error: decorator
@inline
export function floatAt(block: usize, word: i32): f32 {
  return load<f32>(block + 4 * word);
}
