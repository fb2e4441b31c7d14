/** The words of a call's block: `words.ts` names them. */

@inline
export function wordAt(block: usize, word: i32): i32 {
  return load<i32>(block + 4 * word);
}

@inline
export function floatAt(block: usize, word: i32): f32 {
  return load<f32>(block + 4 * word);
}
